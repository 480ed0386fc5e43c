-- KEYS 2 the store's life: another one if its data were taken away
-- ARGV 4 mark
announce('m', ARGV[4] .. (redis.call('GET', KEYS[2]) or ''))
return 1
