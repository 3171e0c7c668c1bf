-- No question names a place in the taxonomy: nothing could be revealed.
SELECT
  format(
    'no question of `{}` names a node of `{}`, and there are {:d}: `path` or `chunk_id` must',
    :corpus,
    :taxonomy,
    count(*)
  ) AS message
FROM rows
HAVING count(node_id) = 0
