-- Questions in a fresh order each epoch; only the answer is supervised.
WITH passes AS (
  SELECT doc_id, unnest(range(1, 1 + :epochs)) AS epoch
  FROM questions
), shuffled AS (
  SELECT
    doc_id,
    epoch,
    row_number() OVER (ORDER BY epoch, md5(concat_ws('/', :seed, epoch, doc_id))) - 1 AS position
  FROM passes
)
SELECT
  shuffled.position,
  corpus || '/' || doc_id AS sample_id,
  CAST(shuffled.epoch AS INTEGER) AS epoch,
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
JOIN questions USING (doc_id)
ORDER BY position
