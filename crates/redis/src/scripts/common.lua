-- Every script runs in one bucket, or in several of one server that is no cluster.
-- KEYS[1] is a bucket's `g`, and the names of its other keys begin like that:
--
--   g            the position below which every session has ended: string
--   p            the position that the last revocation took: string
--   f            the highest position that was forgotten: string
--   s:<id>       a session: position it was created at (8), stamp (8), user's
--                length (1), user, record
--   i            all sessions, in the order of users and then of IDs: sorted set of
--                the user's length (1), user, ID, all with the same score
--   e            the position of each user's last revoke-all: sorted set of users
--   t            and when that was: hash
--   d            positions of indexes whose sessions have ended: list
--   i:<position> such an index, as `i`
--   a:<request>  what a request was answered that has changed something: string
--
-- Numbers that leave a script are formatted: Lua would round them.

local request, channel, instance = ARGV[1], ARGV[2], ARGV[3]

local function keys_of(bucket)
  return string.sub(KEYS[1], 1, -7) .. bucket .. '}:'
end

local base = string.sub(KEYS[1], 1, -2)

-- On a cluster the channel is the member's own, and its ID is still to be added.
local in_cluster = string.sub(channel, -1) == ':'

-- While a slot is moved, keys of it are on two servers, and each has only some. There neither
-- does anything: ending a user's sessions would miss those that are on their way, and they
-- would go on. Of two keys that are nowhere, each says that they are not here.
if in_cluster then
  local looked = redis.pcall('EXISTS', base .. 'x', base .. 'y')
  if type(looked) == 'table' then
    return redis.error_reply('MOVING the slot of the bucket is being moved')
  end
end

local function whole(number)
  return string.format('%.0f', number)
end

local function damaged()
  return redis.error_reply('DAMAGED the bucket of the session has lost a part')
end

-- Whoever asks again what was carried out already gets the answer of then.
local function answered()
  local answer = redis.call('GET', base .. 'a:' .. request)
  return answer and cmsgpack.unpack(answer)
end

local function answer(with)
  redis.call('SET', base .. 'a:' .. request, cmsgpack.pack(with), 'PX', 60000)
  return with
end

-- A server that is full refuses a script at its first command that may take memory,
-- unless it has begun to write with one that takes none. Revocations have to go on.
local function also_when_full()
  redis.call('DEL', base .. 'a:' .. request)
end

-- A bucket begins at a position at random, see `Epoch`. One that has lost its position
-- and not all the rest does not begin again: what had ended could come back. Nothing, and
-- then nobody logs in, until everything is revoked.
local function position_from(seed)
  local position = redis.call('GET', base .. 'p')
  if position then return position end
  if redis.call('EXISTS', base .. 'g', base .. 'f', base .. 'i', base .. 'd') > 0 then
    return nil
  end
  redis.call('SET', base .. 'g', seed)
  redis.call('SET', base .. 'f', seed)
  redis.call('SET', base .. 'p', seed)
  return seed
end

local HEAD = 16

-- Whether a session with this head was created since everything was revoked.
local function is_of_now(head, since)
  return #head >= HEAD and since and struct.unpack('>I8', head) >= tonumber(since)
end

-- The user in the head of a session, as it is in the index.
local function user_in(head)
  local length = string.byte(head, HEAD + 1)
  local user = length and string.sub(head, HEAD + 1, HEAD + 1 + length)
  if user and #user == length + 1 and length > 0 then
    return user
  end
end

local function announce(kind, what)
  local to = in_cluster and channel .. redis.call('CLUSTER', 'MYID') or channel
  redis.call('PUBLISH', to, '\1' .. kind .. instance .. what)
end

-- Members of the index, in messages of a bounded size.
local function announce_ended(reason, members)
  for first = 1, #members, 256 do
    local last = math.min(first + 255, #members)
    announce('e', string.char(#reason) .. reason .. table.concat(members, '', first, last))
  end
end

-- More arguments than a call takes.
local function remove_from(index, members)
  for first = 1, #members, 1000 do
    redis.call('ZREM', index, unpack(members, first, math.min(first + 999, #members)))
  end
end

local function members_of(user)
  return redis.call('ZRANGEBYLEX', base .. 'i',
    '[' .. user .. string.rep('\0', 16), '[' .. user .. string.rep('\255', 16))
end

