-- The nodes with those that rules name by their path: trees of their own beside those of the documents.
WITH wanted AS (
  SELECT DISTINCT string_split(path, '/') AS parts
  FROM found
  WHERE path <> ''
), levels AS (
  SELECT parts, unnest(range(1, len(parts) + 1)) AS depth
  FROM wanted
), prefixes AS (
  SELECT DISTINCT
    array_to_string(list_slice(parts, 1, depth), '/') AS path,
    array_to_string(list_slice(parts, 1, depth - 1), '/') AS above,
    parts[1] AS first_part,
    parts[depth] AS part,
    depth
  FROM levels
)
SELECT node_id, parent_id, tree_id, corpus, doc_id, heading_id, path, title, depth, position
FROM outlined
UNION ALL
SELECT
  'path:' || path AS node_id,
  CASE WHEN depth > 1 THEN 'path:' || above END AS parent_id,
  'path:' || first_part AS tree_id,
  NULL :: VARCHAR AS corpus,
  NULL :: VARCHAR AS doc_id,
  NULL :: VARCHAR AS heading_id,
  path,
  upper(left(part, 1)) || replace(substr(part, 2), '-', ' ') AS title,
  CAST(depth AS INTEGER) AS depth,
  (SELECT coalesce(max(position), -1) FROM outlined) + row_number() OVER (ORDER BY path) AS position
FROM prefixes
ORDER BY position
