-- Pairs of documents that may be alike: those with the same shingles, and those whose signatures share a band.
WITH signed AS (
  SELECT digest, signature, :document AS document
  FROM signatures
  WHERE n_shingles > 0
), firsts AS (
  SELECT digest, min(document) AS document
  FROM signed
  GROUP BY digest
), banded AS (
  SELECT digest, hash(start, :numbers) AS band
  FROM (
    SELECT digest, signature, unnest(range(1, len(signature) + 1, :width)) AS start
    FROM signed
    JOIN firsts USING (digest, document)
  )
), shared AS (
  SELECT band, count(*) AS n
  FROM banded
  GROUP BY band
  HAVING count(*) > 1
), members AS (
  SELECT banded.band, banded.digest, shared.n
  FROM banded
  JOIN shared USING (band)
), crowds AS (
  SELECT members.band, members.digest, any_value(signed.signature) AS signature
  FROM members
  JOIN signed USING (digest)
  WHERE members.n > :crowd
  GROUP BY members.band, members.digest
), neighbours AS (
  SELECT digest, first_value(digest) OVER crowd AS head, lag(digest, 1) OVER crowd AS before, lag(digest, 2) OVER crowd AS earlier
  FROM crowds
  WINDOW crowd AS (PARTITION BY band ORDER BY signature, digest)
), alike AS (
  SELECT one.digest, another.digest AS other
  FROM members AS one
  JOIN members AS another ON one.band = another.band AND one.digest < another.digest
  WHERE one.n <= :crowd
  UNION
  SELECT least(digest, other) AS digest, greatest(digest, other) AS other
  FROM (
    SELECT digest, unnest([head, before, earlier]) AS other
    FROM neighbours
  )
  WHERE digest <> other
), pairs AS (
  SELECT signed.document, firsts.document AS other, TRUE AS same
  FROM signed
  JOIN firsts USING (digest)
  UNION ALL
  SELECT greatest(one.document, another.document) AS document, least(one.document, another.document) AS other, FALSE AS same
  FROM alike
  JOIN firsts AS one USING (digest)
  JOIN firsts AS another ON alike.other = another.digest
)
SELECT ALL :columns, same
FROM pairs
WHERE :wanted
ORDER BY ALL
