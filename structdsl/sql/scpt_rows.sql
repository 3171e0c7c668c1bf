-- Rows of the mixture; a chunk that has a node is to be shown under its map.
SELECT
  draw.position,
  draw.sample_id,
  draw.epoch,
  draw.corpus,
  draw.role,
  CASE WHEN links.node_id IS NULL THEN 'plain' ELSE 'chunk' END AS kind,
  pool.text,
  pool.doc_id,
  pool.chunk_id,
  links.node_id,
  pool.heading_path
FROM draw
JOIN pool USING (sample_id)
LEFT JOIN links USING (chunk_id)
ORDER BY draw.position
