-- One node for each path: the first that has it, below the first that has the path above.
WITH firsts AS (
  SELECT path, min_by(node_id, position) AS node_id
  FROM trees
  GROUP BY path
)
SELECT
  trees.node_id,
  upper_nodes.node_id AS parent_id,
  root_nodes.node_id AS tree_id,
  trees.corpus,
  trees.doc_id,
  trees.heading_id,
  trees.path,
  trees.title,
  trees.depth,
  trees.position
FROM trees
JOIN firsts ON firsts.node_id = trees.node_id
LEFT JOIN trees AS above ON above.node_id = trees.parent_id
LEFT JOIN firsts AS upper_nodes ON upper_nodes.path = above.path
JOIN trees AS roots ON roots.node_id = trees.tree_id
JOIN firsts AS root_nodes ON root_nodes.path = roots.path
ORDER BY trees.position
