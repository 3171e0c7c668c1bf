-- taxonomy.guide_links · table of step taxonomy.guide.links
-- Every chunk on exactly one node: the first rule that answers, else the root of its tree.
-- quickstart.adapt:24 · recipe 5227b2a80b17
WITH roots AS (
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
    COALESCE(answers.node_id, of_document.node_id, of_corpus.node_id) AS node_id,
    COALESCE(answers.rule, 'root') AS rule,
    answers.score,
    answers.evidence
  FROM corpus.textbook_chunks AS chunks
  LEFT JOIN answers
    USING (chunk_id)
  LEFT JOIN roots AS of_document
    ON of_document.corpus = chunks.corpus AND of_document.doc_id = chunks.doc_id
  LEFT JOIN (
    SELECT
      corpus,
      node_id
    FROM roots
    WHERE
      doc_id IS NULL
  ) AS of_corpus
    ON of_corpus.corpus = chunks.corpus
)
SELECT
  chosen.chunk_id,
  chosen.doc_id,
  chosen.node_id,
  places.path,
  places.titles[1] AS island,
  places.titles[2] AS trade,
  places.titles[3] AS person,
  chosen.rule,
  chosen.score,
  chosen.evidence
FROM chosen
JOIN (
  WITH RECURSIVE ancestors AS (
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
  )
  SELECT
    ancestors.node_id,
    ANY_VALUE(named.path) AS path,
    MAP(ARRAY_AGG(above.depth), ARRAY_AGG(above.title)) AS titles
  FROM ancestors
  JOIN taxonomy.guide_nodes AS named
    ON named.node_id = ancestors.node_id
  JOIN taxonomy.guide_nodes AS above
    ON above.node_id = ancestors.ancestor_id
  GROUP BY
    ancestors.node_id
) AS places
  USING (node_id);
