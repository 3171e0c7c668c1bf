-- Pairs in a fresh order each epoch, two samples each: the better answer, then the worse.
WITH passes AS (
  SELECT *, unnest(range(1, 1 + :epochs)) AS epoch
  FROM pairs
), shuffled AS (
  SELECT *, row_number() OVER (ORDER BY epoch, md5(concat_ws('/', :seed, epoch, doc_id))) - 1 AS pair
  FROM passes
), sides AS (
  SELECT *, unnest(['chosen', 'rejected']) AS kind
  FROM shuffled
)
SELECT
  2 * pair + CASE kind WHEN 'chosen' THEN 0 ELSE 1 END AS position,
  corpus || '/' || doc_id || '/' || kind AS sample_id,
  CAST(epoch AS INTEGER) AS epoch,
  kind,
  prompt || :joiner AS prompt,
  CASE kind WHEN 'chosen' THEN chosen ELSE rejected END AS response,
  corpus,
  doc_id,
  NULL :: VARCHAR AS chunk_id,
  NULL :: VARCHAR AS node_id,
  NULL :: INTEGER[] AS marks,
  :messages
FROM sides
ORDER BY position
