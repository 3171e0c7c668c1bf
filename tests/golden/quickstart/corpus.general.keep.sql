-- corpus.general_verdicts · table of step corpus.general.keep
-- Documents that fail a condition of `keep`, with the first that they fail; a condition that is NULL is unknown.
-- quickstart.adapt:14 · recipe 370a38badd84
WITH judged AS (
  SELECT
    doc_id,
    source,
    [n_chars >= 20] AS verdicts
  FROM corpus.general_read AS documents
  JOIN corpus.general_counts AS counts
    USING (doc_id)
), failed AS (
  SELECT
    doc_id,
    source,
    verdicts,
    LIST_POSITION(LIST_TRANSFORM(verdicts, LAMBDA v : COALESCE(v, FALSE)), FALSE) AS first
  FROM judged
)
SELECT
  doc_id,
  source,
  'keep' AS step,
  CASE WHEN verdicts[first] IS NULL THEN 'unknown' ELSE 'false' END AS reason,
  LIST_EXTRACT(['n_chars >= 20'], first) AS evidence
FROM failed
WHERE
  NOT first IS NULL;
