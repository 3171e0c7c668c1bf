-- The documents that stayed.
SELECT doc_id, :columns
FROM documents
JOIN counts USING (doc_id)
