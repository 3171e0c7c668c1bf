-- Columns that the spec uses and no row of the source has.
WITH present AS (
  SELECT DISTINCT unnest(json_keys(meta)) AS name
  FROM documents
)
SELECT format('column `{}` is in no row of corpus `{}`', wanted.name, :corpus) AS message
FROM (SELECT unnest(:names) AS name) AS wanted
ANTI JOIN present USING (name)
WHERE (SELECT count(*) FROM documents) > 0
ORDER BY wanted.name
