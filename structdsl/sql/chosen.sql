-- Chunks that meet the condition of a rule.
SELECT chunk_id, :path AS path, 1.0 :: DOUBLE AS score, :text AS evidence
FROM chunks
WHERE :condition
