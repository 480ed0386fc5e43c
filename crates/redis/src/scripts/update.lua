-- KEYS 2 session
-- ARGV 4 its head as the caller has read it, 5 the session as it is to be, 6 its ID
--      if others are told
local known = answered()
if known then return known end
local head = redis.call('GETRANGE', KEYS[2], 0, HEAD - 1)
if head ~= ARGV[4] or not is_of_now(head, redis.call('GET', KEYS[1])) then
  return {'again'}
end
redis.call('SET', KEYS[2], ARGV[5], 'KEEPTTL')
if ARGV[6] ~= '' then
  announce('c', ARGV[6])
  return answer({'updated'})
end
return {'updated'}
