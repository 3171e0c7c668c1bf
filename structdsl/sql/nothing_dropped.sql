-- Nothing leaves: every document that was made stays.
SELECT
  NULL :: VARCHAR AS doc_id,
  NULL :: VARCHAR AS source,
  NULL :: VARCHAR AS step,
  NULL :: VARCHAR AS reason,
  NULL :: VARCHAR AS evidence
WHERE FALSE
