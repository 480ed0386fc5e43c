-- ARGV 4 how many sessions at the most, 5 member of the first bucket to begin after or
--      '', 6 how much of each is read, 7 and on, buckets in hexadecimal
local left, after, found = tonumber(ARGV[4]), ARGV[5], {}
for at = 7, #ARGV do
  local bucket = keys_of(ARGV[at])
  local since = redis.call('GET', bucket .. 'g')
  -- What has ended already and is still there.
  local ended = redis.call('LINDEX', bucket .. 'd', 0)
  while ended and left > 0 do
    local index = bucket .. 'i:' .. ended
    local members = redis.call('ZRANGE', index, 0, left - 1)
    for _, member in ipairs(members) do
      local session = bucket .. 's:' .. string.sub(member, -16)
      local head = redis.call('GETRANGE', session, 0, HEAD - 1)
      if not is_of_now(head, since) then
        redis.call('DEL', session)
      end
    end
    remove_from(index, members)
    if #members < left then
      redis.call('LPOP', bucket .. 'd')
      ended = redis.call('LINDEX', bucket .. 'd', 0)
    end
    left = left - #members
  end
  if left > 0 then
    local from = after == '' and '-' or '(' .. after
    local members = redis.call('ZRANGEBYLEX', bucket .. 'i', from, '+', 'LIMIT', 0, left)
    local gone = {}
    for _, member in ipairs(members) do
      local session = bucket .. 's:' .. string.sub(member, -16)
      local head = redis.call('GETRANGE', session, 0, tonumber(ARGV[6]) - 1)
      if head == '' then
        gone[#gone + 1] = member
      else
        found[#found + 1] = member
        found[#found + 1] = head
      end
      after = member
    end
    remove_from(bucket .. 'i', gone)
    left = left - #members
  end
  if left == 0 then
    return {ARGV[at], after, found}
  end
  after = ''
end
return {'', '', found}
