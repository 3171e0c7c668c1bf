-- The rows that are drawn, each once, however often it is.
SELECT pool.sample_id, pool.text
FROM pool
SEMI JOIN draw USING (sample_id)
