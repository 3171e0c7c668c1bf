-- Pairs of documents that may be alike: those with the same shingles, and those whose signatures share a band.
WITH signed AS (
  SELECT doc_id, '' AS corpus, digest, signature
  FROM signatures
  ANTI JOIN gone USING (doc_id)
  WHERE n_shingles > 0
  UNION ALL
  SELECT doc_id, corpus, digest, signature
  FROM others
  WHERE n_shingles > 0
), firsts AS (
  SELECT digest, min({'own': corpus = '', 'corpus': corpus, 'doc_id': doc_id}) AS first
  FROM signed
  GROUP BY digest
), banded AS (
  SELECT DISTINCT digest, hash(start, signature[start:start + :width - 1]) AS band
  FROM (
    SELECT digest, signature, unnest(range(1, len(signature) + 1, :width)) AS start
    FROM signed
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
  SELECT {'own': signed.corpus = '', 'corpus': signed.corpus, 'doc_id': signed.doc_id} AS one, firsts.first AS another, TRUE AS same
  FROM signed
  JOIN firsts USING (digest)
  UNION ALL
  SELECT greatest(one.first, another.first) AS one, least(one.first, another.first) AS another, FALSE AS same
  FROM alike
  JOIN firsts AS one USING (digest)
  JOIN firsts AS another ON alike.other = another.digest
)
SELECT one.doc_id AS doc_id, another.doc_id AS other, nullif(another.corpus, '') AS corpus, same
FROM pairs
WHERE one.own AND one <> another
ORDER BY ALL
