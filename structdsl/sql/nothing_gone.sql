-- No document has left yet.
SELECT NULL :: VARCHAR AS doc_id
WHERE FALSE
