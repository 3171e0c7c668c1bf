-- The nodes with what hangs on them: chunks of their own, and those of all below.
WITH RECURSIVE own AS (
  SELECT links.node_id, count(*) AS n_chunks, sum(chunks.n_tokens) AS n_tokens
  FROM links
  JOIN chunks USING (chunk_id)
  GROUP BY links.node_id
), ancestors AS (
  SELECT node_id, node_id AS ancestor_id, parent_id
  FROM nodes
  UNION ALL
  SELECT ancestors.node_id, nodes.node_id AS ancestor_id, nodes.parent_id
  FROM ancestors
  JOIN nodes ON nodes.node_id = ancestors.parent_id
), totals AS (
  SELECT ancestors.ancestor_id AS node_id, sum(own.n_chunks) AS n_chunks, sum(own.n_tokens) AS n_tokens
  FROM ancestors
  JOIN own ON own.node_id = ancestors.node_id
  GROUP BY ancestors.ancestor_id
)
SELECT
  nodes.node_id,
  nodes.parent_id,
  nodes.path,
  nodes.title,
  nodes.depth,
  nodes.position,
  coalesce(own.n_chunks, 0) :: BIGINT AS n_chunks,
  coalesce(totals.n_chunks, 0) :: BIGINT AS n_chunks_total,
  coalesce(totals.n_tokens, 0) :: BIGINT AS n_tokens
FROM nodes
LEFT JOIN own ON own.node_id = nodes.node_id
LEFT JOIN totals ON totals.node_id = nodes.node_id
ORDER BY nodes.position
