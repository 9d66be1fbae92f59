-- Read entries of history on their way to a database, oldest first.
--
-- ARGV  2 how many at most
-- Returns {now, {{position, {'job', job, 'seq', seq, 'entry', <at> LF <path> LF <cause> LF <record>}}, …}}
--@include base

return { now, call('XRANGE', P .. 'out', '-', '+', 'COUNT', ARGV[2]) }
