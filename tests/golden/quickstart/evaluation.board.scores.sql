-- evaluation.board_scores · table of step evaluation.board.scores
-- One row a model, task and metric, with an interval at 95%.
-- quickstart.adapt:53 · recipe f84bc8eb29b1
SELECT
  *
FROM (
  WITH asked AS (
    SELECT
      model,
      task,
      AVG(score) AS p,
      COUNT(*) AS n
    FROM (
      SELECT
        *
      FROM evaluation.board_isles_stage_base
      UNION ALL
      SELECT
        *
      FROM evaluation.board_isles_stage_answer
      UNION ALL
      SELECT
        *
      FROM evaluation.board_mainland_stage_base
      UNION ALL
      SELECT
        *
      FROM evaluation.board_mainland_stage_answer
      UNION ALL
      SELECT
        *
      FROM evaluation.board_text_stage_base
      UNION ALL
      SELECT
        *
      FROM evaluation.board_text_stage_answer
    ) AS items
    WHERE
      NOT answer IS NULL
    GROUP BY
      model,
      task
  ), shares AS (
    SELECT
      model,
      task,
      'exact_match' AS metric,
      p AS value,
      CASE
        WHEN p = 0
        THEN 0
        ELSE (
          p + 1.9208 / n - 1.96 * SQRT(p * (
            1 - p
          ) / n + 0.9604 / (
            n * n
          ))
        ) / (
          1 + 3.8416 / n
        )
      END AS low,
      CASE
        WHEN p = 1
        THEN 1
        ELSE (
          p + 1.9208 / n + 1.96 * SQRT(p * (
            1 - p
          ) / n + 0.9604 / (
            n * n
          ))
        ) / (
          1 + 3.8416 / n
        )
      END AS high,
      n
    FROM asked
  ), texts AS (
    SELECT
      model,
      task,
      score * n_tokens AS nats,
      n_tokens,
      n_bytes,
      SUM(score * n_tokens) OVER (PARTITION BY model, task) / SUM(n_tokens) OVER (PARTITION BY model, task) AS mean
    FROM (
      SELECT
        *
      FROM evaluation.board_isles_stage_base
      UNION ALL
      SELECT
        *
      FROM evaluation.board_isles_stage_answer
      UNION ALL
      SELECT
        *
      FROM evaluation.board_mainland_stage_base
      UNION ALL
      SELECT
        *
      FROM evaluation.board_mainland_stage_answer
      UNION ALL
      SELECT
        *
      FROM evaluation.board_text_stage_base
      UNION ALL
      SELECT
        *
      FROM evaluation.board_text_stage_answer
    ) AS items
    WHERE
      answer IS NULL
  ), losses AS (
    SELECT
      model,
      task,
      ANY_VALUE(mean) AS mean,
      1.96 * SQRT(COUNT(*) / NULLIF(COUNT(*) - 1, 0) * SUM(POWER((
        nats - mean * n_tokens
      ), 2))) / SUM(n_tokens) AS margin,
      SUM(n_tokens) / (
        LN(2) * SUM(n_bytes)
      ) AS tokens_per_byte,
      COUNT(*) AS n
    FROM texts
    GROUP BY
      model,
      task
  )
  SELECT
    model,
    task,
    metric,
    value,
    low,
    high,
    n
  FROM shares
  UNION ALL
  SELECT
    model,
    task,
    'perplexity' AS metric,
    EXP(mean) AS value,
    EXP(mean - margin) AS low,
    EXP(mean + margin) AS high,
    n
  FROM losses
  UNION ALL
  SELECT
    model,
    task,
    'bits_per_byte' AS metric,
    mean * tokens_per_byte AS value,
    (
      mean - margin
    ) * tokens_per_byte AS low,
    (
      mean + margin
    ) * tokens_per_byte AS high,
    n
  FROM losses
  ORDER BY
    task,
    metric,
    model
) AS part
UNION ALL
SELECT
  *
FROM (
  WITH texts AS (
    SELECT
      model,
      task,
      score,
      n_tokens,
      SUM(score * n_tokens) OVER (PARTITION BY model, task) / SUM(n_tokens) OVER (PARTITION BY model, task) AS mean
    FROM (
      SELECT
        *
      FROM evaluation.board_drift_general_text_stage_base
      UNION ALL
      SELECT
        *
      FROM evaluation.board_drift_general_text_stage_answer
    ) AS items
  ), losses AS (
    SELECT
      model,
      task,
      ANY_VALUE(mean) AS mean,
      1.96 * SQRT(
        COUNT(*) / NULLIF(COUNT(*) - 1, 0) * SUM(POWER((
          (
            score - mean
          ) * n_tokens
        ), 2))
      ) / SUM(n_tokens) AS margin,
      COUNT(*) AS n
    FROM texts
    GROUP BY
      model,
      task
  )
  SELECT
    model,
    task,
    'divergence' AS metric,
    mean AS value,
    mean - margin AS low,
    mean + margin AS high,
    n
  FROM losses
) AS part;
