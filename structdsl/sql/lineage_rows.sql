-- Where each stretch of a packed row comes from: its sample, and the row of the source that it was made of.
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
  NULL :: BIGINT AS start_byte,
  NULL :: BIGINT AS end_byte,
  documents.source,
  offsets.file_byte AS file_start,
  offsets.file_byte + offsets.n_bytes AS file_end
FROM stretches
JOIN samples ON samples.position = segment.position
LEFT JOIN documents ON documents.corpus = samples.corpus AND documents.doc_id = samples.doc_id
LEFT JOIN offsets
  ON offsets.corpus = samples.corpus AND offsets.doc_id = samples.doc_id AND offsets.text_byte IS NULL
