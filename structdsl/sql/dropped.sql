-- All that left, and why.
SELECT doc_id, source, step, reason, evidence
FROM verdicts
