-- mixture.knowledge · table of step mixture.knowledge
-- Half of what is learned is the domain; the rest keeps the model able to use it.
-- Each corpus gives rows until its quota is met: whole rows, a fresh permutation each epoch, the last one a
-- prefix. A row of more than twice the quota fits nowhere and is passed over, so that it does not end the draw.
-- Then its rows are spread evenly over the stream, so that every stretch of it has the shares of the whole.
-- medical.adapt:98 · recipe 74f8c20e1345
-- before it runs, this must return no row (E0505):
-- WITH quotas AS (
--   SELECT
--     UNNEST(['chat', 'pubmed', 'ratings', 'textbooks', 'web']) AS corpus,
--     UNNEST([30000000, 60000000, 15000000, 135000000, 60000000]) AS quota
-- ), population AS (
--   SELECT
--     corpus,
--     COALESCE(SUM(pool.n_tokens) FILTER(WHERE
--       pool.n_tokens / 2 <= quotas.quota), 0) AS tokens,
--     MIN(pool.n_tokens) AS smallest
--   FROM mixture.knowledge_pool AS pool
--   JOIN quotas
--     USING (corpus)
--   GROUP BY
--     corpus
-- )
-- SELECT
--   CASE
--     WHEN population.tokens IS NULL
--     THEN FORMAT(
--       '`corpus.{}` has no tokens, and `{}` asks for {} of it',
--       quotas.corpus,
--       'mixture.knowledge',
--       quotas.quota
--     )
--     WHEN quotas.quota < population.smallest / 2
--     THEN FORMAT(
--       '`{}` asks `corpus.{}` for {} tokens and would draw none: its smallest row has {}, rows are whole, and {} < {} / 2',
--       'mixture.knowledge',
--       quotas.corpus,
--       quotas.quota,
--       population.smallest,
--       quotas.quota,
--       population.smallest
--     )
--     ELSE FORMAT(
--       '`{}` asks `corpus.{}` for {} tokens; {} tokens × {} `max_epochs` give {}, {} short',
--       'mixture.knowledge',
--       quotas.corpus,
--       quotas.quota,
--       population.tokens,
--       4,
--       population.tokens * 4,
--       quotas.quota - population.tokens * 4
--     )
--   END AS message
-- FROM quotas
-- LEFT JOIN population
--   USING (corpus)
-- WHERE
--   quotas.quota > COALESCE(population.tokens, 0) * 4
--   OR (
--     quotas.quota > 0 AND quotas.quota < population.smallest / 2
--   )
-- ORDER BY
--   quotas.corpus
WITH quotas AS (
  SELECT
    UNNEST(['chat', 'pubmed', 'ratings', 'textbooks', 'web']) AS corpus,
    UNNEST([30000000, 60000000, 15000000, 135000000, 60000000]) AS quota
), epochs AS (
  SELECT
    quotas.corpus,
    quotas.quota,
    UNNEST(RANGE(1, 1 + CAST(CEIL(quotas.quota / NULLIF(SUM(pool.n_tokens), 0)) AS BIGINT))) AS epoch
  FROM quotas
  JOIN mixture.knowledge_pool AS pool
    ON pool.corpus = quotas.corpus AND pool.n_tokens / 2 <= quotas.quota
  GROUP BY
    quotas.corpus,
    quotas.quota
), shuffled AS (
  SELECT
    pool.*,
    epochs.epoch,
    epochs.quota,
    MD5(CONCAT_WS('/', 20240717, epochs.epoch, pool.sample_id)) AS lot
  FROM mixture.knowledge_pool AS pool
  JOIN epochs
    USING (corpus)
  WHERE
    pool.n_tokens / 2 <= epochs.quota
), running AS (
  SELECT
    *,
    SUM(n_tokens) OVER (
      PARTITION BY corpus
      ORDER BY epoch, lot
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS drawn
  FROM shuffled
), taken AS (
  SELECT
    *,
    ROW_NUMBER() OVER (PARTITION BY corpus ORDER BY epoch, lot) - 1 AS turn,
    COUNT(*) OVER (PARTITION BY corpus) AS turns
  FROM running
  WHERE
    drawn - n_tokens / 2 <= quota
), spread AS (
  SELECT
    *,
    (
      turn + MD5_NUMBER_LOWER(lot) / 18446744073709551616.0
    ) / turns AS place
  FROM taken
)
SELECT
  ROW_NUMBER() OVER (ORDER BY place, lot) - 1 AS position,
  sample_id,
  corpus,
  role,
  CAST(epoch AS INT) AS epoch,
  n_tokens
FROM spread
ORDER BY
  position;
