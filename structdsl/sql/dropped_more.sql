SELECT doc_id, source, step, reason, evidence
FROM verdicts
