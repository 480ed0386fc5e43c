-- ARGV 4 seed, 5 user as in the index, 6 ID to keep or '', 7 why, 8 now (Unix ms), 9 how much higher
--      than the last its position is
local known = answered()
if known then return known end
also_when_full()
if not position_from(ARGV[4]) then return damaged() end
local user = ARGV[5]
local removed, ended, ids = {}, {}, {}
for _, member in ipairs(members_of(user)) do
  local id = string.sub(member, -16)
  if id ~= ARGV[6] then
    removed[#removed + 1] = member
    if redis.call('DEL', base .. 's:' .. id) == 1 then
      ended[#ended + 1] = member
      ids[#ids + 1] = id
    end
  end
end
remove_from(base .. 'i', removed)
local position = whole(redis.call('INCRBY', base .. 'p', ARGV[9]))
local name = string.sub(user, 2)
redis.call('ZADD', base .. 'e', position, name)
-- A clock that was set back must not have it forgotten early.
local before = tonumber(redis.call('HGET', base .. 't', name) or ARGV[8])
redis.call('HSET', base .. 't', name, whole(math.max(before, tonumber(ARGV[8]))))
announce_ended(ARGV[7], ended)
return answer({position, table.concat(ids)})
