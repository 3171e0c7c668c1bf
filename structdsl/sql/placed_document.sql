-- The node of each path that a rule found.
SELECT found.chunk_id, 'path:' || found.path AS node_id, found.score, found.evidence
FROM found
JOIN chunks USING (chunk_id)
JOIN nodes ON nodes.node_id = 'path:' || found.path
QUALIFY row_number() OVER (PARTITION BY found.chunk_id ORDER BY found.score DESC NULLS LAST, found.path) = 1
