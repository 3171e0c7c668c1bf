-- Pairs in a fresh order each epoch, two samples each: the better answer, then the worse.
WITH passes AS (
  SELECT doc_id, unnest(range(1, 1 + :epochs)) AS epoch
  FROM pairs
), shuffled AS (
  SELECT
    doc_id,
    epoch,
    row_number() OVER (ORDER BY epoch, md5(concat_ws('/', :seed, epoch, doc_id))) - 1 AS pair
  FROM passes
), sides AS (
  SELECT doc_id, epoch, unnest([2 * pair, 2 * pair + 1]) AS position, unnest(['chosen', 'rejected']) AS kind
  FROM shuffled
)
SELECT
  sides.position,
  corpus || '/' || doc_id || '/' || sides.kind AS sample_id,
  CAST(sides.epoch AS INTEGER) AS epoch,
  sides.kind,
  prompt || :joiner AS prompt,
  CASE sides.kind WHEN 'chosen' THEN chosen ELSE rejected END AS response,
  corpus,
  doc_id,
  NULL :: VARCHAR AS chunk_id,
  NULL :: VARCHAR AS node_id,
  NULL :: INTEGER[] AS marks,
  :messages
FROM sides
JOIN pairs USING (doc_id)
ORDER BY position
