-- Chunks that no earlier rule of a test answers for, so that a model would be asked.
SELECT
  format('test `{}` would ask a model: no rule before `{}` answers for {:d} of its chunks', :test, :rule, count(*)) AS message
FROM chunks
ANTI JOIN answered USING (chunk_id)
HAVING count(*) > 0
