-- Which bytes of the texts, without the lines that were cut, are which of their files, as far as is known.
WITH cuts AS (
  SELECT
    doc_id,
    start_byte,
    end_byte,
    coalesce(
      sum(end_byte - start_byte) OVER (
        PARTITION BY doc_id ORDER BY start_byte ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
      ),
      0
    ) AS gone
  FROM cut
), touched AS (
  SELECT offsets.*
  FROM offsets
  SEMI JOIN cut USING (doc_id)
  WHERE text_byte IS NOT NULL
), ends AS (
  SELECT doc_id, text_byte AS place, file_byte FROM touched
  UNION
  SELECT doc_id, text_byte + n_bytes AS place, file_byte + n_bytes AS file_byte FROM touched
), bounds AS (
  SELECT doc_id, place FROM ends
  UNION
  SELECT doc_id, start_byte AS place FROM cut
  UNION
  SELECT doc_id, end_byte AS place FROM cut
), moved AS (
  SELECT
    bounds.doc_id,
    bounds.place,
    lead(bounds.place) OVER (PARTITION BY bounds.doc_id ORDER BY bounds.place) AS next_place,
    bounds.place - coalesce(cuts.gone + least(bounds.place, cuts.end_byte) - cuts.start_byte, 0) AS text_byte,
    coalesce(bounds.place < cuts.end_byte, FALSE) AS is_cut
  FROM bounds
  ASOF LEFT JOIN cuts ON bounds.doc_id = cuts.doc_id AND bounds.place >= cuts.start_byte
), pieces AS (
  SELECT
    moved.doc_id,
    moved.text_byte,
    stretches.file_byte + moved.place - stretches.text_byte AS file_byte,
    moved.next_place - moved.place AS n_bytes
  FROM moved
  ASOF JOIN (SELECT * FROM touched WHERE n_bytes > 0) AS stretches
    ON moved.doc_id = stretches.doc_id AND moved.place >= stretches.text_byte
  WHERE NOT moved.is_cut AND moved.place < stretches.text_byte + stretches.n_bytes
), marks AS (
  SELECT ends.doc_id, moved.text_byte, ends.file_byte
  FROM ends
  JOIN moved USING (doc_id, place)
)
SELECT doc_id, text_byte, file_byte, n_bytes
FROM offsets
WHERE text_byte IS NULL OR NOT doc_id IN (SELECT doc_id FROM cut)
UNION ALL
SELECT doc_id, text_byte :: BIGINT AS text_byte, file_byte, n_bytes
FROM pieces
UNION ALL
SELECT doc_id, text_byte :: BIGINT AS text_byte, max(file_byte) AS file_byte, 0 AS n_bytes
FROM marks
ANTI JOIN (
  SELECT doc_id, text_byte FROM pieces
  UNION ALL
  SELECT doc_id, text_byte + n_bytes AS text_byte FROM pieces
) AS known USING (doc_id, text_byte)
GROUP BY doc_id, text_byte
