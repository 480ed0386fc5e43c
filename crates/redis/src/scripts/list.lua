-- ARGV 4 user as in the index, 5 ID to begin after or '', 6 how many or '-1'
local user = ARGV[4]
local from = ARGV[5] == '' and '[' .. user .. string.rep('\0', 16) or '(' .. user .. ARGV[5]
local to = '[' .. user .. string.rep('\255', 16)
local limit, found = tonumber(ARGV[6]), {}
repeat
  local members = redis.call('ZRANGEBYLEX', base .. 'i', from, to, 'LIMIT', 0, limit)
  for _, member in ipairs(members) do
    local id = string.sub(member, -16)
    local session = redis.call('GET', base .. 's:' .. id)
    -- The server may have removed it by its deadline.
    if session and #found ~= 2 * limit then
      found[#found + 1] = id
      found[#found + 1] = session
    end
    from = '(' .. member
  end
until #members < limit or limit < 0 or #found >= 2 * limit
return found
