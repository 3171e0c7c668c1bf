-- The lines that many documents have, by their numbers, and how many do.
SELECT line, count(*) AS documents
FROM (
  SELECT unnest(lines) AS line
  FROM numbered
)
GROUP BY line
HAVING count(*) >= :at_least
