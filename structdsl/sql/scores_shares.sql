-- One row a model and task: the share of items that were right, with Wilson's interval at 95%.
WITH asked AS (
  SELECT model, task, avg(score) AS p, count(*) AS n
  FROM items
  GROUP BY model, task
)
SELECT
  model,
  task,
  :metric AS metric,
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
