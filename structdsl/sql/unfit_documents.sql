-- Rows of a query that cannot be documents: without an id, with the id of another, without text.
WITH counted AS (
  SELECT
    count(*) AS n,
    count(*) - count(doc_id) AS nameless,
    count(doc_id) - count(DISTINCT doc_id) AS repeated,
    count(*) FILTER (WHERE text IS NULL OR trim(text) = '') AS empty
  FROM documents
)
SELECT
  CASE
    WHEN n = 0 THEN format('`{}` is empty: its query yields no row', :corpus)
    WHEN nameless > 0 THEN format('rows of `{}` without a `doc_id`: {:d} of {:d}', :corpus, nameless, n)
    WHEN repeated > 0 THEN format('rows of `{}` with the `doc_id` of another row: {:d} of {:d}', :corpus, repeated, n)
    ELSE format('rows of `{}` without text: {:d} of {:d}', :corpus, empty, n)
  END AS message
FROM counted
WHERE n = 0 OR nameless > 0 OR repeated > 0 OR empty > 0
