-- One row a model and task: nats per token over all texts, with the interval at 95% of a mean over documents (normal
-- approximation), which one document does not have.
WITH texts AS (
  SELECT
    model,
    task,
    score,
    n_tokens,
    sum(score * n_tokens) OVER (PARTITION BY model, task) / sum(n_tokens) OVER (PARTITION BY model, task) AS mean
  FROM items
), losses AS (
  SELECT
    model,
    task,
    any_value(mean) AS mean,
    1.96 * sqrt(count(*) / nullif(count(*) - 1, 0) * sum(((score - mean) * n_tokens) ** 2)) / sum(n_tokens) AS margin,
    count(*) AS n
  FROM texts
  GROUP BY model, task
)
SELECT model, task, 'divergence' AS metric, mean AS value, mean - margin AS low, mean + margin AS high, n
FROM losses
