-- All that left, and why; of rows whose id another has, also where that one stands.
SELECT
  doc_id,
  faults.source AS source,
  step,
  reason,
  CASE WHEN earlier.source IS NULL THEN evidence ELSE evidence || ': ' || earlier.source END AS evidence
FROM faults
LEFT JOIN (SELECT doc_id, source, 'duplicate id' AS reason FROM documents) AS earlier USING (doc_id, reason)
