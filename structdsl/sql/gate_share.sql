-- A greater share of the rows fails than is put up with.
WITH failed AS (
  SELECT count(*) AS n
  FROM failing
), all_rows AS (
  SELECT count(*) AS n
  FROM checked
)
SELECT
  format('`{}` fails for {:d} of {:d} rows; at most {}% are put up with', :check, failed.n, all_rows.n, :percent) AS message
FROM failed
CROSS JOIN all_rows
WHERE failed.n > all_rows.n * :most
