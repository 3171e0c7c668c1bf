-- Quotas that even `max_epochs` passes over a corpus cannot fill, and quotas too small for its smallest row; rows of
-- more than twice the quota are never drawn.
WITH quotas AS (
  SELECT unnest(:corpora) AS corpus, unnest(:quotas) AS quota
), population AS (
  SELECT
    corpus,
    coalesce(sum(pool.n_tokens) FILTER (pool.n_tokens / 2 <= quotas.quota), 0) AS tokens,
    min(pool.n_tokens) AS smallest
  FROM pool
  JOIN quotas USING (corpus)
  GROUP BY corpus
)
SELECT
  CASE
    WHEN population.tokens IS NULL THEN format('`corpus.{}` has no tokens, and `{}` asks for {} of it', quotas.corpus, :mixture, quotas.quota)
    WHEN quotas.quota < population.smallest / 2 THEN format(
      '`{}` asks `corpus.{}` for {} tokens and would draw none: its smallest row has {}, rows are whole, and {} < {} / 2',
      :mixture,
      quotas.corpus,
      quotas.quota,
      population.smallest,
      quotas.quota,
      population.smallest
    )
    ELSE format(
      '`{}` asks `corpus.{}` for {} tokens; {} tokens × {} `max_epochs` give {}, {} short',
      :mixture,
      quotas.corpus,
      quotas.quota,
      population.tokens,
      :max_epochs,
      population.tokens * :max_epochs,
      quotas.quota - population.tokens * :max_epochs
    )
  END AS message
FROM quotas
LEFT JOIN population USING (corpus)
WHERE quotas.quota > coalesce(population.tokens, 0) * :max_epochs OR (quotas.quota > 0 AND quotas.quota < population.smallest / 2)
ORDER BY quotas.corpus
