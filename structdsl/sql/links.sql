-- Every chunk on exactly one node: the first rule that answers, else the root of its tree.
WITH RECURSIVE roots AS (
  SELECT corpus, doc_id, node_id
  FROM nodes
  WHERE parent_id IS NULL
), answers AS (
  SELECT chunk_id, node_id, rule, score, evidence
  FROM rules
  QUALIFY row_number() OVER (PARTITION BY chunk_id ORDER BY rank) = 1
), chosen AS (
  SELECT
    chunks.chunk_id,
    chunks.doc_id,
    coalesce(answers.node_id, roots.node_id) AS node_id,
    coalesce(answers.rule, 'root') AS rule,
    answers.score,
    answers.evidence
  FROM chunks
  LEFT JOIN answers USING (chunk_id)
  JOIN roots ON roots.corpus = chunks.corpus AND coalesce(roots.doc_id, chunks.doc_id) = chunks.doc_id
), ancestors AS (
  SELECT node_id, node_id AS ancestor_id, parent_id
  FROM nodes
  UNION ALL
  SELECT ancestors.node_id, nodes.node_id AS ancestor_id, nodes.parent_id
  FROM ancestors
  JOIN nodes ON nodes.node_id = ancestors.parent_id
), levels AS (
  SELECT ancestors.node_id, map(list(nodes.depth), list(nodes.title)) AS titles
  FROM ancestors
  JOIN nodes ON nodes.node_id = ancestors.ancestor_id
  GROUP BY ancestors.node_id
)
SELECT chosen.chunk_id, chosen.doc_id, chosen.node_id, nodes.path, :levels, chosen.rule, chosen.score, chosen.evidence
FROM chosen
JOIN nodes USING (node_id)
JOIN levels USING (node_id)
