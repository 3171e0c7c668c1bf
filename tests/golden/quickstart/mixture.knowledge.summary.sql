-- mixture.knowledge_summary · table of step mixture.knowledge.summary
-- What each corpus was to give, what it gave, and what bound it: `max_epochs` where it gave all that it may,
-- `rows` where whole rows missed the target by more than 1%, else `budget`.
-- quickstart.adapt:33 · recipe 212b16863960
WITH quotas AS (
  SELECT
    UNNEST(['general', 'general_questions', 'questions', 'textbook']) AS corpus,
    UNNEST([140000, 35000, 70000, 455000]) AS quota
), population AS (
  SELECT
    corpus,
    SUM(n_tokens) AS tokens
  FROM mixture.knowledge_pool AS pool
  GROUP BY
    corpus
), drawn AS (
  SELECT
    corpus,
    SUM(n_tokens) AS tokens
  FROM mixture.knowledge AS draw
  GROUP BY
    corpus
)
SELECT
  quotas.corpus,
  CAST(COALESCE(population.tokens, 0) AS BIGINT) AS population,
  CAST(quotas.quota AS BIGINT) AS target,
  CAST(COALESCE(drawn.tokens, 0) AS BIGINT) AS realised,
  COALESCE(drawn.tokens, 0) / SUM(drawn.tokens) OVER () AS share,
  COALESCE(drawn.tokens / population.tokens, 0) AS epochs,
  CASE
    WHEN quotas.quota >= population.tokens * 40
    THEN 'max_epochs'
    WHEN ABS(COALESCE(drawn.tokens, 0) - quotas.quota) > 0.01 * quotas.quota
    THEN 'rows'
    ELSE 'budget'
  END AS binding
FROM quotas
LEFT JOIN population
  USING (corpus)
LEFT JOIN drawn
  USING (corpus)
ORDER BY
  target DESC,
  corpus;
