-- taxonomy.guide_links · table of step taxonomy.guide.links
-- Every chunk on exactly one node: the first rule that answers, else the root of its tree.
-- quickstart.adapt:24 · recipe 1cee81016c83
WITH RECURSIVE roots AS (
  SELECT
    corpus,
    doc_id,
    node_id
  FROM taxonomy.guide_nodes AS nodes
  WHERE
    parent_id IS NULL
), answers AS (
  SELECT
    chunk_id,
    node_id,
    rule,
    score,
    evidence
  FROM (
    SELECT
      chunk_id,
      node_id,
      'outline' AS rule,
      score,
      evidence,
      0 AS rank
    FROM taxonomy.guide_outline
  ) AS rules
  QUALIFY
    ROW_NUMBER() OVER (PARTITION BY chunk_id ORDER BY rank) = 1
), chosen AS (
  SELECT
    chunks.chunk_id,
    chunks.doc_id,
    COALESCE(answers.node_id, roots.node_id) AS node_id,
    COALESCE(answers.rule, 'root') AS rule,
    answers.score,
    answers.evidence
  FROM corpus.textbook_chunks AS chunks
  LEFT JOIN answers
    USING (chunk_id)
  JOIN roots
    ON roots.corpus = chunks.corpus
    AND COALESCE(roots.doc_id, chunks.doc_id) = chunks.doc_id
), ancestors AS (
  SELECT
    node_id,
    node_id AS ancestor_id,
    parent_id
  FROM taxonomy.guide_nodes AS nodes
  UNION ALL
  SELECT
    ancestors.node_id,
    nodes.node_id AS ancestor_id,
    nodes.parent_id
  FROM ancestors
  JOIN taxonomy.guide_nodes AS nodes
    ON nodes.node_id = ancestors.parent_id
), levels AS (
  SELECT
    ancestors.node_id,
    MAP(ARRAY_AGG(nodes.depth), ARRAY_AGG(nodes.title)) AS titles
  FROM ancestors
  JOIN taxonomy.guide_nodes AS nodes
    ON nodes.node_id = ancestors.ancestor_id
  GROUP BY
    ancestors.node_id
)
SELECT
  chosen.chunk_id,
  chosen.doc_id,
  chosen.node_id,
  nodes.path,
  levels.titles[1] AS island,
  levels.titles[2] AS trade,
  levels.titles[3] AS person,
  chosen.rule,
  chosen.score,
  chosen.evidence
FROM chosen
JOIN taxonomy.guide_nodes AS nodes
  USING (node_id)
JOIN levels
  USING (node_id);
