-- The path of each node, and the titles above it and its own by their depth.
WITH RECURSIVE ancestors AS (
  SELECT node_id, node_id AS ancestor_id, parent_id
  FROM nodes
  UNION ALL
  SELECT ancestors.node_id, nodes.node_id AS ancestor_id, nodes.parent_id
  FROM ancestors
  JOIN nodes ON nodes.node_id = ancestors.parent_id
)
SELECT ancestors.node_id, any_value(named.path) AS path, map(list(above.depth), list(above.title)) AS titles
FROM ancestors
JOIN nodes AS named ON named.node_id = ancestors.node_id
JOIN nodes AS above ON above.node_id = ancestors.ancestor_id
GROUP BY ancestors.node_id
