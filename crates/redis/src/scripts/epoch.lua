-- ARGV 4 seed
return position_from(ARGV[4]) or damaged()
