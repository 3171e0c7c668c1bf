SELECT sample_id, n_tokens :: DOUBLE AS score
FROM pool
