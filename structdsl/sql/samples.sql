-- What the stage reads, sample by sample, and how much of it is supervised.
WITH sizes AS (
  SELECT position, sum(n_tokens) AS n_tokens, sum(n_supervised) AS n_supervised, any_value(mask_reason) AS mask_reason
  FROM tokens
  GROUP BY position
)
SELECT
  sample_id,
  kind,
  prompt,
  response,
  corpus,
  chunk_id,
  sizes.n_tokens :: BIGINT AS n_tokens,
  sizes.n_supervised :: BIGINT AS n_supervised,
  sizes.mask_reason,
  position,
  epoch,
  doc_id,
  node_id
FROM rendered
JOIN sizes USING (position)
