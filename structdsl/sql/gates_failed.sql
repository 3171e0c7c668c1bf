-- What is required and did not come out.
SELECT
  CASE
    WHEN found IS NULL THEN format('`{}` cannot be judged: `{}` has no score', gate, model)
    ELSE format('`{}` is not met: it came out at {:.4g} {}', gate, found, unit)
  END AS message
FROM gates
WHERE NOT passed
