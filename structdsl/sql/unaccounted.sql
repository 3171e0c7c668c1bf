-- Documents that are neither kept nor left, or left twice: read = kept + held out + dropped.
WITH counted AS (
  SELECT
    (SELECT count(*) FROM documents) AS n_read,
    (SELECT count(*) FROM kept) AS n_kept,
    :gone AS n_gone
)
SELECT format('of {:d} documents of `{}`, {:d} are kept and {:d} held out or dropped', n_read, :corpus, n_kept, n_gone) AS message
FROM counted
WHERE n_read <> n_kept + n_gone
