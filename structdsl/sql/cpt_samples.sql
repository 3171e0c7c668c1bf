-- Plain text in the order of the mixture; every token is supervised.
SELECT
  draw.position,
  draw.sample_id,
  draw.epoch,
  'plain' AS kind,
  '' AS prompt,
  pool.text AS response,
  draw.corpus,
  pool.doc_id,
  pool.chunk_id,
  NULL :: VARCHAR AS node_id,
  NULL :: INTEGER[] AS marks
FROM draw
JOIN pool USING (sample_id)
ORDER BY draw.position
