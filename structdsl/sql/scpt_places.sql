-- Where each row of the mixture comes, with what is recalled between them, and its node.
WITH passed AS (
  SELECT after, max(position) - after AS recalled
  FROM recalls
  GROUP BY after
)
SELECT
  draw.position + coalesce(passed.recalled, 0) AS position,
  draw.sample_id,
  draw.epoch,
  CASE WHEN links.node_id IS NULL THEN 'plain' ELSE 'chunk' END AS kind,
  draw.corpus,
  links.node_id,
  nodes.tree_id
FROM draw
ASOF LEFT JOIN passed ON draw.position > passed.after
LEFT JOIN links ON links.chunk_id = draw.sample_id
LEFT JOIN nodes ON nodes.node_id = links.node_id
