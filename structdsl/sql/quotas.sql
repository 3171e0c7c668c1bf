-- Whole tokens for each corpus, in proportion to its size to the power of one over the temperature.
WITH population AS (
  SELECT corpus, sum(n_tokens) AS tokens
  FROM pool
  GROUP BY corpus
), weighed AS (
  SELECT corpus, pow(tokens, 1 / :temperature :: DOUBLE) AS weight
  FROM population
), shares AS (
  SELECT corpus, :budget * weight / sum(weight) OVER () AS exact
  FROM weighed
), whole AS (
  SELECT corpus, CAST(floor(exact) AS BIGINT) AS quota, exact - floor(exact) AS remainder
  FROM shares
)
SELECT
  corpus,
  CAST(quota + CASE WHEN row_number() OVER (ORDER BY remainder DESC, corpus) <= :budget - sum(quota) OVER () THEN 1 ELSE 0 END AS BIGINT) AS quota
FROM whole
ORDER BY corpus
