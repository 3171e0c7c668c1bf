-- Where each stretch of a packed row comes from: its sample, chunk, document, and the bytes of its text.
WITH stretches AS (
  SELECT "row", unnest(segments) AS segment
  FROM packed
)
SELECT
  stretches."row",
  segment."start",
  segment.length,
  segment.position,
  segment.piece,
  samples.sample_id,
  samples.kind,
  samples.corpus,
  samples.chunk_id,
  samples.doc_id,
  chunks.start_byte,
  chunks.end_byte,
  documents.source
FROM stretches
JOIN samples ON samples.position = segment.position
LEFT JOIN chunks ON chunks.corpus = samples.corpus AND chunks.chunk_id = samples.chunk_id
LEFT JOIN documents ON documents.corpus = samples.corpus AND documents.doc_id = samples.doc_id
