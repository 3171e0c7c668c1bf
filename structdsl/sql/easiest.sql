-- The rows whose answers a model finds easiest: those of the lowest loss per token.
WITH ranked AS (
  SELECT doc_id, row_number() OVER (ORDER BY nats / n_tokens, doc_id) AS place
  FROM difficulty
)
SELECT documents.*
FROM documents
SEMI JOIN ranked ON ranked.doc_id = documents.doc_id AND ranked.place <= :take
