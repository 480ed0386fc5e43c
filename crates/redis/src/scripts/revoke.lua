-- KEYS 2 session
-- ARGV 4 its ID, 5 why
local known = answered()
if known then return known end
also_when_full()
-- Enough for the longest user.
local head = redis.call('GETRANGE', KEYS[2], 0, HEAD + 256)
if head == '' then return {} end
redis.call('DEL', KEYS[2])
local user = user_in(head)
if user then
  redis.call('ZREM', base .. 'i', user .. ARGV[4])
end
local since = redis.call('GET', KEYS[1])
-- Where that is lost nobody knows, and all are told.
if since and #head >= HEAD and not is_of_now(head, since) then
  return {}
end
announce_ended(ARGV[5], {(user or '\0') .. ARGV[4]})
return answer({user or '\0'})
