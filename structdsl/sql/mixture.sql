-- Each corpus gives rows until its quota is met: whole rows, a fresh permutation each epoch, the last one a prefix.
-- A row of more than twice the quota fits nowhere and is passed over, so that it does not end the draw.
-- Then its rows are spread evenly over the stream, so that every stretch of it has the shares of the whole.
WITH quotas AS (
  SELECT unnest(:corpora) AS corpus, unnest(:quotas) AS quota
), epochs AS (
  SELECT quotas.corpus, quotas.quota, unnest(range(1, 1 + CAST(ceil(quotas.quota / nullif(sum(pool.n_tokens), 0)) AS BIGINT))) AS epoch
  FROM quotas
  JOIN pool ON pool.corpus = quotas.corpus AND pool.n_tokens / 2 <= quotas.quota
  GROUP BY quotas.corpus, quotas.quota
), shuffled AS (
  SELECT
    pool.*,
    epochs.epoch,
    epochs.quota,
    md5(concat_ws('/', :seed, epochs.epoch, pool.sample_id)) AS lot
  FROM pool
  JOIN epochs USING (corpus)
  WHERE pool.n_tokens / 2 <= epochs.quota
), running AS (
  SELECT *, sum(n_tokens) OVER (PARTITION BY corpus ORDER BY epoch, lot ROWS UNBOUNDED PRECEDING) AS drawn
  FROM shuffled
), taken AS (
  SELECT *, row_number() OVER (PARTITION BY corpus ORDER BY epoch, lot) - 1 AS turn, count(*) OVER (PARTITION BY corpus) AS turns
  FROM running
  WHERE drawn - n_tokens / 2 <= quota
), spread AS (
  SELECT *, (turn + md5_number_lower(lot) / 18446744073709551616.0) / turns AS place
  FROM taken
)
SELECT
  row_number() OVER (ORDER BY place, lot) - 1 AS position,
  sample_id,
  corpus,
  role,
  CAST(epoch AS INTEGER) AS epoch,
  n_tokens
FROM spread
ORDER BY position
