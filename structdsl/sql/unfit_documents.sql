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
    WHEN nameless > 0 THEN format('{:d} of {:d} rows of `{}` have no `doc_id`', nameless, n, :corpus)
    WHEN repeated > 0 THEN format('{:d} of {:d} rows of `{}` have the `doc_id` of another row', repeated, n, :corpus)
    ELSE format('{:d} of {:d} rows of `{}` have no text', empty, n, :corpus)
  END AS message
FROM counted
WHERE n = 0 OR nameless > 0 OR repeated > 0 OR empty > 0
