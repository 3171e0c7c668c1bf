-- The node of each chunk is the last heading at or above it that is shallow enough to be one.
WITH placed AS (
  SELECT headings.corpus, headings.doc_id, headings.start_byte, nodes.node_id
  FROM headings
  JOIN nodes USING (heading_id)
  WHERE headings.level <= :depth
), opened AS (
  SELECT chunks.chunk_id, chunks.corpus, chunks.doc_id, chunks.heading_path, headings.start_byte
  FROM chunks
  JOIN headings USING (heading_id)
)
SELECT
  opened.chunk_id,
  placed.node_id,
  1.0 :: DOUBLE AS score,
  array_to_string(opened.heading_path, ' > ') AS evidence
FROM opened
ASOF JOIN placed
  ON opened.corpus = placed.corpus
  AND opened.doc_id = placed.doc_id
  AND opened.start_byte >= placed.start_byte
