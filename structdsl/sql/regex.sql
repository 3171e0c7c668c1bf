-- Chunks in which the pattern is found often enough.
WITH matched AS (
  SELECT chunk_id, regexp_extract_all(text, :pattern) AS matches
  FROM chunks
)
SELECT chunk_id, :path AS path, len(matches) :: DOUBLE AS score, matches[1] AS evidence
FROM matched
WHERE len(matches) >= :at_least
