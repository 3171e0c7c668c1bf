-- corpus.pubmed_verdicts · table of step corpus.pubmed.keep
-- Documents that fail a condition of `keep`, with the first that they fail; a condition that is NULL is unknown.
-- medical.adapt:41 · recipe 27efee40892f
WITH judged AS (
  SELECT
    doc_id,
    source,
    [
      lang = 'en'
      AND quality >= 0.6
      AND NOT REGEXP_MATCHES(title, '(?i)retract(ed|ion)')
    ] AS verdicts
  FROM corpus.pubmed_read AS documents
  JOIN corpus.pubmed_counts AS counts
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
  LIST_EXTRACT([
    'lang = ''en'' AND quality >= 0.6 AND NOT REGEXP_MATCHES(title, ''(?i)retract(ed|ion)'')'
  ], first) AS evidence
FROM failed
WHERE
  NOT first IS NULL;
