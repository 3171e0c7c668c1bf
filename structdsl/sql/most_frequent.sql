WITH counts AS (
  SELECT count(*) AS n, :value AS member
  FROM checked
  GROUP BY member
)
SELECT max(n) / sum(n) AS value
FROM counts
