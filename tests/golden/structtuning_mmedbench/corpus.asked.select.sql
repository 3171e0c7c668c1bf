-- corpus.asked_read · table of step corpus.asked.select
-- The training questions as they are asked: the options below the question, the letters behind the rationale.
-- The rows of the query as documents.
-- structtuning_mmedbench.adapt:51 · recipe 8d3df0a40057
SELECT
  CAST("doc_id" AS TEXT) AS doc_id,
  'asked' AS corpus,
  'instruction' AS role,
  CAST(text_ AS TEXT) AS text,
  CAST(NULL AS TEXT) AS title,
  CAST(NULL AS TEXT) AS lang,
  LENGTH(text_) AS n_chars,
  CAST('corpus.asked' AS TEXT) AS source,
  CAST('{}' AS JSON) AS meta,
  CAST("question" AS TEXT) AS question,
  CAST("answer" AS TEXT) AS answer,
  CAST(NULL AS TEXT) AS path,
  CAST(NULL AS TEXT) AS chunk_id,
  CAST(NULL AS STRUCT("role" TEXT, "content" TEXT)[]) AS messages,
  CAST(NULL AS TEXT) AS shape
FROM (
SELECT *, question || chr(10) || answer AS text_ FROM (
SELECT
  doc_id,
  (
    (
      question || main.chr(10)
    ) || (
      SELECT
        main.string_agg(
          (
            (
              letter || '. '
            ) || main."->>"(main.json_extract(meta, 'options'), letter)
          ),
          main.chr(10) ORDER BY letter
        )
      FROM main.UNNEST(main.json_keys(main.json_extract(meta, 'options'))) AS entries(letter)
    )
  ) AS question,
  (
    (
      (
        (
          answer || main.chr(10)
        ) || 'The answer is '
      ) || main."->>"(meta, 'letters')
    ) || '.'
  ) AS answer
FROM corpus.training_questions
) AS made
) AS documents;
