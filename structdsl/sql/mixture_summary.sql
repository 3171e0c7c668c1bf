-- What each corpus was to give, what it gave, and what bound it: `max_epochs` where it gave all that it may,
-- `rows` where whole rows missed the target by more than 1%, else `budget`.
WITH quotas AS (
  SELECT unnest(:corpora) AS corpus, unnest(:quotas) AS quota
), population AS (
  SELECT corpus, sum(n_tokens) AS tokens
  FROM pool
  GROUP BY corpus
), drawn AS (
  SELECT corpus, sum(n_tokens) AS tokens
  FROM draw
  GROUP BY corpus
)
SELECT
  quotas.corpus,
  coalesce(population.tokens, 0) :: BIGINT AS population,
  quotas.quota :: BIGINT AS target,
  coalesce(drawn.tokens, 0) :: BIGINT AS realised,
  coalesce(drawn.tokens, 0) / sum(drawn.tokens) OVER () AS share,
  coalesce(drawn.tokens / population.tokens, 0) AS epochs,
  CASE
    WHEN quotas.quota >= population.tokens * :max_epochs THEN 'max_epochs'
    WHEN abs(coalesce(drawn.tokens, 0) - quotas.quota) > 0.01 * quotas.quota THEN 'rows'
    ELSE 'budget'
  END AS binding
FROM quotas
LEFT JOIN population USING (corpus)
LEFT JOIN drawn USING (corpus)
ORDER BY target DESC, corpus
