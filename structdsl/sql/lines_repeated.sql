-- The lines that many documents have, by their numbers, and how many do.
WITH has AS (
  SELECT unnest(lines) AS line
  FROM numbered
  ANTI JOIN gone USING (doc_id)
  UNION ALL
  SELECT unnest(lines) AS line
  FROM others
)
SELECT line, count(*) AS documents
FROM has
GROUP BY line
HAVING count(*) >= :at_least
