-- Documents that fail a condition of `keep`, with the first that they fail; a condition that is NULL is unknown.
WITH judged AS (
  SELECT doc_id, source, :verdicts AS verdicts
  FROM documents
  JOIN counts USING (doc_id)
), failed AS (
  SELECT doc_id, source, verdicts, list_position(list_transform(verdicts, v -> coalesce(v, FALSE)), FALSE) AS first
  FROM judged
)
SELECT
  doc_id,
  source,
  'keep' AS step,
  CASE WHEN verdicts[first] IS NULL THEN 'unknown' ELSE :reason END AS reason,
  list_extract(:predicates, first) AS evidence
FROM failed
WHERE first IS NOT NULL
