-- KEYS 2 session
-- ARGV 4 seed, 5 user as in the index, 6 ID, 7 session but for its position,
--      8 position at which the login began or '', 9 when the server may remove it
--      (Unix ms) or '',
--      10 with a cap: the user's sessions as the caller has read them, each an ID
--         and a stamp, 11 IDs that the cap ends, 12 'refuse' if it refuses
-- Sent once, it has no name: then nothing is left for who asks again.
if request ~= '' then
  local known = answered()
  if known then return known end
end
-- At once: every login asks for all of them.
local got = redis.call('MGET', base .. 'p', base .. 'g', base .. 'f', KEYS[2])
local position, since, floor, there = got[1], got[2], got[3], got[4]
if not (position and since and floor) then
  position = position_from(ARGV[4])
  since, floor = redis.call('GET', base .. 'g'), redis.call('GET', base .. 'f')
  if not position or not since or not floor then return damaged() end
end

if there and (#there < HEAD or is_of_now(there, since)) then
  return {'exists', there}
end

local user = ARGV[5]
local began = tonumber(ARGV[8])
if began then
  local own = redis.call('ZSCORE', base .. 'e', string.sub(user, 2))
  local last = math.max(tonumber(own or 0), tonumber(floor))
  if began < last or began > tonumber(position) then
    return {'superseded'}
  end
end

local ended = {}
if ARGV[10] then
  local seen = {}
  for _, member in ipairs(members_of(user)) do
    local id = string.sub(member, -16)
    local head = redis.call('GETRANGE', base .. 's:' .. id, 0, HEAD - 1)
    if head ~= '' then
      seen[#seen + 1] = id .. string.sub(head, 9)
    end
  end
  if table.concat(seen) ~= ARGV[10] then return {'again'} end
  if ARGV[12] == 'refuse' then return {'refused'} end
  for at = 1, #ARGV[11], 16 do
    local id = string.sub(ARGV[11], at, at + 15)
    redis.call('DEL', base .. 's:' .. id)
    ended[#ended + 1] = user .. id
  end
  remove_from(base .. 'i', ended)
end

local session = struct.pack('>I8', tonumber(position)) .. ARGV[7]
if ARGV[9] == '' then
  redis.call('SET', KEYS[2], session)
else
  redis.call('SET', KEYS[2], session, 'PXAT', ARGV[9])
end
redis.call('ZADD', base .. 'i', 0, user .. ARGV[6])
announce_ended('cap', ended)
return request == '' and {'created'} or answer({'created'})
