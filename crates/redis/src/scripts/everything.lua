-- ARGV 4 why, 5 how many buckets, 6 and on, their numbers in hexadecimal
local known = answered()
if known then return known end
also_when_full()
local count, told = 0, {}
for at = 5, #ARGV do
  local bucket = keys_of(ARGV[at])
  -- Without a position there neither is a session nor has a login begun.
  if redis.call('EXISTS', bucket .. 'p') == 1 then
    local position = whole(redis.call('INCR', bucket .. 'p'))
    redis.call('SET', bucket .. 'g', position)
    redis.call('SET', bucket .. 'f', position)
    redis.call('UNLINK', bucket .. 'e', bucket .. 't')
    local sessions = redis.call('ZCARD', bucket .. 'i')
    if sessions > 0 then
      count = count + sessions
      -- Left to the sweep: the sessions are over, and there may be many.
      redis.call('RENAME', bucket .. 'i', bucket .. 'i:' .. position)
      redis.call('RPUSH', bucket .. 'd', position)
    end
  end
end
announce('a', struct.pack('>I8', count) .. ARGV[4])
return answer({whole(count)})
