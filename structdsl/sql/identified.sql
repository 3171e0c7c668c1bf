-- The documents, each with its language: as it says itself, else as it was identified.
SELECT doc_id, :columns
FROM documents
LEFT JOIN languages USING (doc_id)
