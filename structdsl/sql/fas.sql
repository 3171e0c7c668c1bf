-- Rows whose answers are known and whose format is not: of those below the median of the plain loss per token, the
-- ones that lose most by the chat template (Format Alignment Score, the ratio of the two losses).
WITH medians AS (
  SELECT median(nats / n_tokens) AS middle
  FROM difficulty
), ranked AS (
  SELECT doc_id, row_number() OVER (ORDER BY nats_templated / nullif(nats, 0) DESC NULLS LAST, doc_id) AS place
  FROM difficulty
  CROSS JOIN medians
  WHERE nats / n_tokens <= medians.middle
)
SELECT documents.*
FROM documents
SEMI JOIN ranked ON ranked.doc_id = documents.doc_id AND ranked.place <= :take
