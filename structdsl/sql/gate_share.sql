-- A greater share of the rows fails than is put up with.
WITH failed AS (
  SELECT count(*) AS n
  FROM failing
), all_rows AS (
  SELECT count(*) AS n
  FROM checked
)
SELECT
  format(
    '`{}` fails for {:d} of {:d} {} and puts up with at most {}%',
    :check,
    failed.n,
    all_rows.n,
    if(all_rows.n = 1, 'row', 'rows'),
    :percent
  ) AS message
FROM failed
CROSS JOIN all_rows
WHERE failed.n > all_rows.n * :most
