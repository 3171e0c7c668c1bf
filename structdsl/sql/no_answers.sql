-- The answers of a taxonomy without rules.
SELECT
  NULL :: VARCHAR AS chunk_id,
  NULL :: VARCHAR AS node_id,
  NULL :: VARCHAR AS rule,
  NULL :: DOUBLE AS score,
  NULL :: VARCHAR AS evidence,
  0 AS rank
WHERE FALSE
