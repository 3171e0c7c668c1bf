-- Questions and the node that each names: by chunk, else by path.
WITH paths AS (
  SELECT path, min_by(node_id, position) AS node_id
  FROM nodes
  GROUP BY path
), placed AS (
  SELECT
    row_number() OVER (ORDER BY questions.doc_id) - 1 AS position,
    questions.corpus || '/' || questions.doc_id AS sample_id,
    questions.corpus,
    questions.question,
    questions.answer,
    questions.messages,
    questions.doc_id,
    coalesce(links.node_id, paths.node_id) AS node_id
  FROM questions
  LEFT JOIN links ON links.chunk_id = questions.chunk_id
  LEFT JOIN paths ON paths.path = questions.path
)
SELECT placed.*, nodes.tree_id
FROM placed
LEFT JOIN nodes USING (node_id)
