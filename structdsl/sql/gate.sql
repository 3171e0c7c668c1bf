-- More rows fail than are put up with.
SELECT
  CASE
    WHEN :most = 0 THEN format('`{}` fails for {:d} {}', :check, count(*), if(count(*) = 1, 'row', 'rows'))
    ELSE format('`{}` fails for {:d} rows and puts up with at most {:d}', :check, count(*), :most)
  END AS message
FROM failing
HAVING count(*) > :most
