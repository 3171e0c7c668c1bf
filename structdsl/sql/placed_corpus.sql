-- The node of each path that a rule found, in the tree of the chunk's corpus.
WITH known AS (
  SELECT corpus, path, min_by(node_id, position) AS node_id
  FROM nodes
  GROUP BY corpus, path
)
SELECT found.chunk_id, known.node_id, found.score, found.evidence
FROM found
JOIN chunks USING (chunk_id)
JOIN known ON known.corpus = chunks.corpus AND known.path = found.path
QUALIFY row_number() OVER (PARTITION BY found.chunk_id ORDER BY found.score DESC NULLS LAST, found.path) = 1
