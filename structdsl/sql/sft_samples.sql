-- Questions in a fresh order each epoch; only the answer is supervised.
WITH passes AS (
  SELECT *, unnest(range(1, 1 + :epochs)) AS epoch
  FROM questions
), shuffled AS (
  SELECT *, md5(concat_ws('/', :seed, epoch, doc_id)) AS lot
  FROM passes
)
SELECT
  row_number() OVER (ORDER BY epoch, lot) - 1 AS position,
  corpus || '/' || doc_id AS sample_id,
  CAST(epoch AS INTEGER) AS epoch,
  'question' AS kind,
  question || :joiner AS prompt,
  answer AS response,
  corpus,
  doc_id,
  chunk_id,
  NULL :: VARCHAR AS node_id,
  NULL :: INTEGER[] AS marks,
  :messages
FROM shuffled
ORDER BY position
