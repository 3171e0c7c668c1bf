-- Which bytes of the texts, without the lines that were cut, are which of their files, as far as is known.
WITH stays AS (
  SELECT
    doc_id,
    coalesce(lag(end_byte) OVER (PARTITION BY doc_id ORDER BY start_byte), 0) AS first_byte,
    start_byte AS last_byte,
    coalesce(
      sum(end_byte - start_byte) OVER (
        PARTITION BY doc_id ORDER BY start_byte ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
      ),
      0
    ) AS gone
  FROM cut
  UNION ALL
  SELECT doc_id, max(end_byte) AS first_byte, 9223372036854775807 AS last_byte, sum(end_byte - start_byte) AS gone
  FROM cut
  GROUP BY doc_id
), touched AS (
  SELECT offsets.*
  FROM offsets
  SEMI JOIN cut USING (doc_id)
  WHERE text_byte IS NOT NULL
), pieces AS (
  SELECT
    doc_id,
    greatest(text_byte, first_byte) - gone AS text_byte,
    file_byte + greatest(first_byte - text_byte, 0) AS file_byte,
    least(text_byte + n_bytes, last_byte) - greatest(text_byte, first_byte) AS n_bytes
  FROM touched
  JOIN stays USING (doc_id)
  WHERE least(text_byte + n_bytes, last_byte) > greatest(text_byte, first_byte)
), ends AS (
  SELECT doc_id, text_byte AS place, file_byte FROM touched
  UNION
  SELECT doc_id, text_byte + n_bytes AS place, file_byte + n_bytes AS file_byte FROM touched
), marks AS (
  SELECT
    ends.doc_id,
    place - sum(least(greatest(place - start_byte, 0), end_byte - start_byte)) AS text_byte,
    file_byte
  FROM ends
  JOIN cut USING (doc_id)
  GROUP BY ends.doc_id, place, file_byte
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
