-- The nodes with those that rules name by their path: each below the root of its corpus, where no heading has it.
WITH wanted AS (
  SELECT DISTINCT chunks.corpus, string_split(found.path, '/') AS parts
  FROM found
  JOIN chunks USING (chunk_id)
  WHERE found.path <> ''
), levels AS (
  SELECT corpus, parts, unnest(range(1, len(parts) + 1)) AS depth
  FROM wanted
), prefixes AS (
  SELECT DISTINCT
    corpus,
    array_to_string(list_slice(parts, 1, depth), '/') AS path,
    array_to_string(list_slice(parts, 1, depth - 1), '/') AS above,
    parts[depth] AS part,
    depth
  FROM levels
), fresh AS (
  SELECT prefixes.*
  FROM prefixes
  ANTI JOIN outlined USING (corpus, path)
), known AS (
  SELECT corpus, path, min_by(node_id, position) AS node_id
  FROM outlined
  GROUP BY corpus, path
  UNION ALL
  SELECT corpus, path, 'path:' || corpus || '/' || path AS node_id
  FROM fresh
)
SELECT node_id, parent_id, tree_id, corpus, doc_id, heading_id, path, title, depth, position
FROM outlined
UNION ALL
SELECT
  'path:' || fresh.corpus || '/' || fresh.path AS node_id,
  known.node_id AS parent_id,
  roots.node_id AS tree_id,
  fresh.corpus,
  NULL :: VARCHAR AS doc_id,
  NULL :: VARCHAR AS heading_id,
  fresh.path,
  upper(left(fresh.part, 1)) || replace(substr(fresh.part, 2), '-', ' ') AS title,
  CAST(fresh.depth AS INTEGER) AS depth,
  (SELECT coalesce(max(position), -1) FROM outlined) + row_number() OVER (ORDER BY fresh.corpus, fresh.path) AS position
FROM fresh
JOIN known ON known.corpus = fresh.corpus AND known.path = fresh.above
JOIN known AS roots ON roots.corpus = fresh.corpus AND roots.path = ''
ORDER BY position
