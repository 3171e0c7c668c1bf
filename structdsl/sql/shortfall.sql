-- Quotas that even `max_epochs` passes over a corpus cannot fill.
WITH quotas AS (
  SELECT unnest(:corpora) AS corpus, unnest(:quotas) AS quota
), population AS (
  SELECT corpus, sum(n_tokens) AS tokens
  FROM pool
  GROUP BY corpus
)
SELECT
  CASE
    WHEN population.tokens IS NULL THEN format('`corpus.{}` has no tokens, and `{}` asks for {} of it', quotas.corpus, :mixture, quotas.quota)
    ELSE format(
      '`{}` asks `corpus.{}` for {:d} tokens; {:d} tokens × {:d} `max_epochs` give {:d}, {:d} short',
      :mixture,
      quotas.corpus,
      quotas.quota :: BIGINT,
      population.tokens :: BIGINT,
      :max_epochs :: BIGINT,
      population.tokens :: BIGINT * :max_epochs,
      quotas.quota :: BIGINT - population.tokens :: BIGINT * :max_epochs
    )
  END AS message
FROM quotas
LEFT JOIN population USING (corpus)
WHERE quotas.quota > coalesce(population.tokens, 0) * :max_epochs
ORDER BY quotas.corpus
