-- Rows of the mixture, a chunk that has a node to be shown under its map, and between them what is recalled.
SELECT
  places.position,
  places.sample_id,
  places.epoch,
  places.kind,
  places.corpus,
  pool.doc_id,
  pool.chunk_id,
  places.node_id,
  places.tree_id,
  pool.heading_path[-1] AS heading,
  pool.text
FROM places
JOIN pool USING (sample_id)
UNION ALL
SELECT
  recalls.position,
  'recall:' || recalls.node_id AS sample_id,
  recalls.epoch,
  'recall' AS kind,
  nodes.corpus,
  nodes.doc_id,
  NULL :: VARCHAR AS chunk_id,
  recalls.node_id,
  nodes.tree_id,
  NULL :: VARCHAR AS heading,
  NULL :: VARCHAR AS text
FROM recalls
JOIN nodes USING (node_id)
ORDER BY position
