-- ARGV 4 and on, a member of the index and the head of the session as the caller has
--      read it
local known = answered()
if known then return known end
local ended = {}
for at = 4, #ARGV, 2 do
  local member, head = ARGV[at], ARGV[at + 1]
  local high, low = string.byte(member, -10, -9)
  local bucket = keys_of(string.format('%x%02x', high % 16, low))
  local session = bucket .. 's:' .. string.sub(member, -16)
  if redis.call('GETRANGE', session, 0, HEAD - 1) == head then
    redis.call('DEL', session)
    redis.call('ZREM', bucket .. 'i', member)
    ended[#ended + 1] = member
  end
end
if #ended == 0 then return ended end
announce_ended('expired', ended)
return answer(ended)
