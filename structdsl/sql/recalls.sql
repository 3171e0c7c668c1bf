-- What is recalled, and after which rows of the mixture. A pass is an epoch of a corpus; in each, what it visited of the
-- taxonomy is recalled once, somewhere (by a hash of seed, epoch and node) between the first chunk of the node and the
-- end of the pass. A small tree is recalled whole, a larger one by chapter and section.
WITH RECURSIVE met AS (
  SELECT draw.corpus, draw.epoch, links.node_id, min(draw.position) AS first, max(draw.position) AS last
  FROM draw
  JOIN links ON links.chunk_id = draw.sample_id
  GROUP BY draw.corpus, draw.epoch, links.node_id
), passes AS (
  SELECT corpus, epoch, max(last) AS last
  FROM met
  GROUP BY corpus, epoch
), trees AS (
  SELECT tree_id, count(*) AS size
  FROM nodes
  GROUP BY tree_id
), large AS (
  SELECT nodes.node_id, nodes.parent_id, nodes.depth
  FROM nodes
  JOIN trees USING (tree_id)
  WHERE trees.size > :small
), lines AS (
  SELECT node_id, CASE WHEN depth > 0 THEN node_id END AS chapter, NULL :: VARCHAR AS section
  FROM large
  WHERE parent_id IS NULL
  UNION ALL
  SELECT
    large.node_id,
    coalesce(lines.chapter, large.node_id) AS chapter,
    CASE WHEN lines.chapter IS NOT NULL THEN coalesce(lines.section, large.node_id) END AS section
  FROM lines
  JOIN large ON large.parent_id = lines.node_id
), targets AS (
  SELECT nodes.node_id, nodes.tree_id AS target
  FROM nodes
  JOIN trees USING (tree_id)
  WHERE trees.size <= :small
  UNION ALL
  SELECT node_id, chapter AS target
  FROM lines
  WHERE chapter IS NOT NULL
  UNION ALL
  SELECT node_id, section AS target
  FROM lines
  WHERE section IS NOT NULL
), due AS (
  SELECT met.corpus, met.epoch, targets.target, min(met.first) AS first
  FROM met
  JOIN targets USING (node_id)
  GROUP BY met.corpus, met.epoch, targets.target
), drawn AS (
  SELECT
    due.*,
    passes.last,
    CAST('0x' || left(md5(concat_ws('/', :seed, due.epoch, due.target)), 16) AS UBIGINT) AS lot
  FROM due
  JOIN passes USING (corpus, epoch)
), placed AS (
  SELECT *, first + CAST(lot % CAST(last - first + 1 AS UBIGINT) AS BIGINT) AS after
  FROM drawn
)
SELECT
  after + row_number() OVER (ORDER BY after, lot, epoch, corpus) AS position,
  after,
  epoch,
  target AS node_id
FROM placed
ORDER BY position
