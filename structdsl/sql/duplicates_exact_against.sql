-- Documents with the same text, among themselves and in other corpora; what another corpus has leaves altogether.
WITH staying AS (
  SELECT doc_id, md5_number(text) AS digest
  FROM documents
), elsewhere AS (
  SELECT md5_number(text) AS digest, min(corpus || '/' || doc_id) AS cluster_id
  FROM others
  GROUP BY digest
), repeated AS (
  SELECT staying.digest, coalesce(any_value(elsewhere.cluster_id), min(staying.doc_id)) AS cluster_id, count(elsewhere.cluster_id) > 0 AS foreign_text
  FROM staying
  LEFT JOIN elsewhere USING (digest)
  GROUP BY staying.digest
  HAVING count(*) > 1 OR count(elsewhere.cluster_id) > 0
)
SELECT
  staying.doc_id,
  repeated.cluster_id,
  NOT repeated.foreign_text AND staying.doc_id = repeated.cluster_id AS kept,
  'exact' AS method,
  1.0 :: DOUBLE AS similarity
FROM staying
JOIN repeated USING (digest)
ORDER BY cluster_id, doc_id
