-- ARGV 4 how many at the most, 5 position in the first bucket to begin after or '-inf',
--      6 those before this time (Unix ms), 7 and on, buckets in hexadecimal
local known = answered()
if known then return known end
local left, after, before, forgotten = tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6]), 0

-- One that has changed nothing may be asked again.
local function said(bucket, behind)
  local with = {whole(forgotten), bucket, behind}
  return forgotten == 0 and with or answer(with)
end

for at = 7, #ARGV do
  local bucket = keys_of(ARGV[at])
  local users = redis.call('ZRANGEBYSCORE', bucket .. 'e', '(' .. after, '+inf',
    'WITHSCORES', 'LIMIT', 0, left)
  -- All up to the last old one: also those that a clock that was ahead has put into
  -- the future, since a login from before them is older still.
  local old = 0
  for n = 1, #users, 2 do
    local taken = redis.call('HGET', bucket .. 't', users[n])
    if not taken or tonumber(taken) < before then old = n end
  end
  for n = 1, old, 2 do
    redis.call('ZREM', bucket .. 'e', users[n])
    redis.call('HDEL', bucket .. 't', users[n])
    forgotten = forgotten + 1
  end
  if old > 0 then
    -- A login from before it is refused all the same.
    local floor = redis.call('GET', bucket .. 'f')
    if not floor or tonumber(floor) < tonumber(users[old + 1]) then
      redis.call('SET', bucket .. 'f', whole(users[old + 1]))
    end
  end
  left = left - #users / 2
  if left == 0 then
    return said(ARGV[at], whole(users[#users]))
  end
  after = '-inf'
end
return said('', '')
