-- That a corpus has lost all its documents, and what took how many.
WITH causes AS (
  SELECT concat_ws(': ', step, CASE WHEN step = 'keep' THEN evidence ELSE reason END) AS cause, count(*) AS n
  FROM lost
  WHERE NOT EXISTS(FROM kept)
  GROUP BY cause
), said AS (
  SELECT 0 AS place, format('nothing is left of `{}`; rows that were read: {:d}', :corpus, CAST(sum(n) AS BIGINT)) AS message
  FROM causes
  HAVING count(*) > 0
  UNION ALL
  SELECT row_number() OVER (ORDER BY n DESC, cause) AS place, format('{:d} taken by {}', n, cause) AS message
  FROM causes
)
SELECT message
FROM said
ORDER BY place
