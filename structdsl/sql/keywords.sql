-- Chunks in which enough of the terms stand as whole words, whatever their case; scripts without spaces have no words.
WITH words AS (
  SELECT
    term,
    lower(term) AS plain,
    ' ' || trim(regexp_replace(lower(term), '[^\pL\pM\pN]+', ' ', 'g')) || ' ' AS padded,
    regexp_matches(term, '[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]') AS unspaced
  FROM (SELECT DISTINCT term FROM terms)
), texts AS (
  SELECT
    chunk_id,
    lower(text) AS plain,
    ' ' || regexp_replace(lower(text), '[^\pL\pM\pN]+', ' ', 'g') || ' ' AS padded
  FROM chunks
)
SELECT
  texts.chunk_id,
  :path AS path,
  count(*) :: DOUBLE AS score,
  string_agg(words.term, ', ' ORDER BY words.term) AS evidence
FROM texts
JOIN words ON CASE WHEN words.unspaced THEN contains(texts.plain, words.plain) ELSE contains(texts.padded, words.padded) END
GROUP BY texts.chunk_id
HAVING count(*) >= :at_least
