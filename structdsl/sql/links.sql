-- Every chunk on exactly one node: the first rule that answers, else the root of its tree.
WITH roots AS (
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
    coalesce(answers.node_id, of_document.node_id, of_corpus.node_id) AS node_id,
    coalesce(answers.rule, 'root') AS rule,
    answers.score,
    answers.evidence
  FROM chunks
  LEFT JOIN answers USING (chunk_id)
  LEFT JOIN roots AS of_document ON of_document.corpus = chunks.corpus AND of_document.doc_id = chunks.doc_id
  LEFT JOIN (SELECT corpus, node_id FROM roots WHERE doc_id IS NULL) AS of_corpus ON of_corpus.corpus = chunks.corpus
)
SELECT chosen.chunk_id, chosen.doc_id, chosen.node_id, places.path, :levels, chosen.rule, chosen.score, chosen.evidence
FROM chosen
JOIN places USING (node_id)
