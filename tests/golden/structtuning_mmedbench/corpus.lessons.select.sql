-- corpus.lessons_read · table of step corpus.lessons.select
-- What SSFT reads.
-- The rows of the query as documents.
-- structtuning_mmedbench.adapt:87 · recipe 11869e61baa5
SELECT
  CAST("doc_id" AS TEXT) AS doc_id,
  'lessons' AS corpus,
  'instruction' AS role,
  CAST(text_ AS TEXT) AS text,
  CAST(NULL AS TEXT) AS title,
  CAST(NULL AS TEXT) AS lang,
  LENGTH(text_) AS n_chars,
  CAST('corpus.lessons' AS TEXT) AS source,
  CAST('{}' AS JSON) AS meta,
  CAST("question" AS TEXT) AS question,
  CAST("answer" AS TEXT) AS answer,
  CAST(NULL AS TEXT) AS path,
  CAST("chunk_id" AS TEXT) AS chunk_id,
  CAST(NULL AS STRUCT("role" TEXT, "content" TEXT)[]) AS messages,
  CAST(NULL AS TEXT) AS shape
FROM (
SELECT *, question || chr(10) || answer AS text_ FROM (
SELECT
  doc_id,
  question,
  answer,
  NULL AS chunk_id
FROM corpus.asked
UNION ALL
SELECT
  doc_id,
  question,
  answer,
  chunk_id
FROM corpus.drills
) AS made
) AS documents;
