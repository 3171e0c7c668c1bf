-- No question names a place in the taxonomy: nothing could be revealed.
SELECT
  format(
    'none of the {:d} questions of `{}` names a node of `{}`: `path` or `chunk_id` must',
    count(*),
    :corpus,
    :taxonomy
  ) AS message
FROM rows
HAVING count(node_id) = 0
