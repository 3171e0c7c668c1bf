-- One row a model and task: the mean score of its items, with its interval at 95% (normal approximation).
WITH asked AS (
  SELECT model, task, avg(score) AS mean, 1.96 * stddev_samp(score) / sqrt(count(*)) AS margin, count(*) AS n
  FROM items
  GROUP BY model, task
)
SELECT model, task, :metric AS metric, mean AS value, mean - margin AS low, mean + margin AS high, n
FROM asked
