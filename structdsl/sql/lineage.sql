-- Where each stretch of a packed row comes from: its sample, chunk, document, and the bytes of its text and its file.
WITH stretches AS (
  SELECT "row", unnest(segments) AS segment
  FROM packed
),
"lines" AS (SELECT corpus, doc_id, file_byte, n_bytes FROM offsets WHERE text_byte IS NULL),
same AS (SELECT corpus, doc_id, text_byte, text_end, file_byte, n_bytes FROM offsets WHERE text_byte IS NOT NULL),
started AS (
  SELECT
    chunks.corpus,
    chunks.chunk_id,
    chunks.doc_id,
    chunks.start_byte,
    chunks.end_byte,
    same.file_byte + least(chunks.start_byte - same.text_byte, same.n_bytes) AS file_start
  FROM chunks
  ASOF LEFT JOIN same
    ON same.corpus = chunks.corpus AND same.doc_id = chunks.doc_id AND same.text_byte <= chunks.start_byte
),
placed AS (
  SELECT
    started.corpus,
    started.chunk_id,
    started.start_byte,
    started.end_byte,
    started.file_start,
    same.file_byte + greatest(started.end_byte - same.text_byte, 0) AS file_end
  FROM started
  ASOF LEFT JOIN same
    ON same.corpus = started.corpus AND same.doc_id = started.doc_id AND same.text_end >= started.end_byte
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
  placed.start_byte,
  placed.end_byte,
  documents.source,
  coalesce(placed.file_start, "lines".file_byte) AS file_start,
  coalesce(placed.file_end, "lines".file_byte + "lines".n_bytes) AS file_end
FROM stretches
JOIN samples ON samples.position = segment.position
LEFT JOIN placed ON placed.corpus = samples.corpus AND placed.chunk_id = samples.chunk_id
LEFT JOIN documents ON documents.corpus = samples.corpus AND documents.doc_id = samples.doc_id
LEFT JOIN "lines" ON "lines".corpus = samples.corpus AND "lines".doc_id = samples.doc_id
