-- What is required of the scores, what came out (in points, or as the metric counts), and whether it is enough.
WITH asked AS (
  SELECT
    max(value) FILTER (WHERE model = :model) AS value,
    max(value) FILTER (WHERE model = :reference) AS reference_value
  FROM scores
  WHERE task = :task AND metric = :metric
), found AS (
  SELECT value, reference_value, round(:found, 9) AS found
  FROM asked
)
SELECT
  CAST(:gate AS TEXT) AS gate,
  :task AS task,
  :metric AS metric,
  :model AS model,
  :reference AS reference,
  value,
  reference_value,
  found,
  :least AS least,
  :unit AS unit,
  coalesce(found >= :least, false) AS passed
FROM found
