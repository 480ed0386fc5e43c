-- ARGV 4 why, 5 how much higher than the last the position is at least, 6 and on, buckets in
--      hexadecimal
local known = answered()
if known then return known end
also_when_full()
local count, ended = 0, false
for at = 6, #ARGV do
  local bucket = keys_of(ARGV[at])
  -- Without any of these there neither is a session nor has a login begun.
  local taken
  for _, name in ipairs({'p', 'g', 'f'}) do
    local number = tonumber(redis.call('GET', bucket .. name) or '')
    taken = math.max(taken or 0, number or 0)
  end
  if taken == 0 and redis.call('EXISTS', bucket .. 'i', bucket .. 'd') > 0 then
    -- All three are lost: above where any bucket begins.
    taken = 2 ^ 52
  end
  if taken > 0 then
    ended = true
    local position = whole(taken + tonumber(ARGV[5]))
    redis.call('SET', bucket .. 'p', position)
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
-- One that has changed nothing may be asked again.
if not ended then return {'0'} end
announce('a', struct.pack('>I8', count) .. ARGV[4])
return answer({whole(count)})
