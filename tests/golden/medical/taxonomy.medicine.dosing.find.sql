-- taxonomy.medicine_dosing_found · table of step taxonomy.medicine.dosing.find
-- Chunks in which the pattern is found often enough.
-- medical.adapt:71 · recipe e22d459a200f
WITH matched AS (
  SELECT
    chunk_id,
    REGEXP_EXTRACT_ALL(text, '\b\d+ ?(mg|mL)/(kg|day)\b') AS matches
  FROM (
    SELECT
      *
    FROM corpus.textbooks_chunks
    UNION ALL
    SELECT
      *
    FROM corpus.pubmed_chunks
  ) AS chunks
)
SELECT
  chunk_id,
  'pharmacology/dosing' AS path,
  CAST(LENGTH(matches) AS DOUBLE) AS score,
  matches[1] AS evidence
FROM matched
WHERE
  LENGTH(matches) >= 1;
