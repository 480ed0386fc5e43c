-- KEYS 2 the life of the store's data: another one if they were taken away
-- ARGV 4 mark, or '' to be told the state
--
-- The state is what may not change unnoticed: the life, and on a cluster who has which slots
-- as this member knows it. Revocations are announced by whoever has the slot.

-- A server that was the master and is a replica now refuses this, and nothing else below.
redis.call('DEL', base .. 'x')
local state = redis.call('GET', KEYS[2]) or ''
local members
if in_cluster then
  members = redis.call('CLUSTER', 'NODES')
  local have = {}
  for line in string.gmatch(members, '[^\n]+') do
    -- ID, address, flags, its primary, ping, pong, epoch, link, slots: see CLUSTER NODES.
    local id, flags, epoch, slots =
      string.match(line, '^(%S+) %S+ (%S+) %S+ %S+ %S+ (%S+) %S+ (.+)$')
    if id and string.find(flags, 'master', 1, true) then
      have[#have + 1] = id .. ' ' .. epoch .. ' ' .. slots
    end
  end
  table.sort(have)
  state = redis.sha1hex(table.concat(have, '\n')) .. state
end
if ARGV[4] == '' then return {state, members} end
announce('m', ARGV[4] .. state)
return 1
