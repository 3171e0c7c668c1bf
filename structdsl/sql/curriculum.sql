-- The rows of the draw, epoch by epoch from the easy to the hard; what is equally hard stays in the order of the draw.
SELECT
  row_number() OVER (ORDER BY draw.epoch, scores.score, draw.position) - 1 AS position,
  draw.sample_id,
  draw.corpus,
  draw.role,
  draw.epoch,
  draw.n_tokens
FROM draw
JOIN scores USING (sample_id)
ORDER BY position
