-- Documents with the same text, in clusters that are called by the document that stays: the smallest id.
WITH staying AS (
  SELECT doc_id, md5_number(text) AS digest
  FROM documents
), repeated AS (
  SELECT digest, min(doc_id) AS cluster_id
  FROM staying
  GROUP BY digest
  HAVING count(*) > 1
)
SELECT
  staying.doc_id,
  repeated.cluster_id,
  staying.doc_id = repeated.cluster_id AS kept,
  'exact' AS method,
  1.0 :: DOUBLE AS similarity
FROM staying
JOIN repeated USING (digest)
ORDER BY cluster_id, doc_id
