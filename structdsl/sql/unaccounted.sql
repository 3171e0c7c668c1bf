-- Documents that are neither kept nor left, or left twice: read = kept + held out + dropped.
WITH counted AS (
  SELECT
    (SELECT count(*) FROM documents) AS n_read,
    (SELECT count(*) FROM kept) AS n_kept,
    :gone AS n_gone
)
SELECT format('documents of `{}`: {:d} read, {:d} kept and {:d} held out or dropped', :corpus, n_read, n_kept, n_gone) AS message
FROM counted
WHERE n_read <> n_kept + n_gone
