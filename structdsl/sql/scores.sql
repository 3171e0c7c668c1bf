-- One row a model, task and metric. Shares carry Wilson's interval at 95%; perplexity and bits per byte that of
-- the mean loss over documents (normal approximation), which one document does not have.
WITH asked AS (
  SELECT model, task, avg(score) AS p, count(*) AS n
  FROM items
  WHERE answer IS NOT NULL
  GROUP BY model, task
), shares AS (
  SELECT
    model,
    task,
    'exact_match' AS metric,
    p AS value,
    CASE
      WHEN p = 0 THEN 0
      ELSE (p + 1.9208 / n - 1.96 * sqrt(p * (1 - p) / n + 0.9604 / (n * n))) / (1 + 3.8416 / n)
    END AS low,
    CASE
      WHEN p = 1 THEN 1
      ELSE (p + 1.9208 / n + 1.96 * sqrt(p * (1 - p) / n + 0.9604 / (n * n))) / (1 + 3.8416 / n)
    END AS high,
    n
  FROM asked
), texts AS (
  SELECT
    model,
    task,
    score * n_tokens AS nats,
    n_tokens,
    n_bytes,
    sum(score * n_tokens) OVER (PARTITION BY model, task) / sum(n_tokens) OVER (PARTITION BY model, task) AS mean
  FROM items
  WHERE answer IS NULL
), losses AS (
  SELECT
    model,
    task,
    any_value(mean) AS mean,
    1.96 * sqrt(count(*) / nullif(count(*) - 1, 0) * sum((nats - mean * n_tokens) ** 2)) / sum(n_tokens) AS margin,
    sum(n_tokens) / (ln(2) * sum(n_bytes)) AS tokens_per_byte,
    count(*) AS n
  FROM texts
  GROUP BY model, task
)
SELECT model, task, metric, value, low, high, n
FROM shares
UNION ALL
SELECT model, task, 'perplexity' AS metric, exp(mean) AS value, exp(mean - margin) AS low, exp(mean + margin) AS high, n
FROM losses
UNION ALL
SELECT
  model,
  task,
  'bits_per_byte' AS metric,
  mean * tokens_per_byte AS value,
  (mean - margin) * tokens_per_byte AS low,
  (mean + margin) * tokens_per_byte AS high,
  n
FROM losses
ORDER BY task, metric, model
