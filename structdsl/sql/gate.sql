-- More rows fail than are put up with.
SELECT
  CASE
    WHEN :most = 0 THEN format('`{}` fails for {:d} rows', :check, count(*))
    ELSE format('`{}` fails for {:d} rows; at most {:d} are put up with', :check, count(*), :most)
  END AS message
FROM failing
HAVING count(*) > :most
