-- Documents kept out of training: which ones follows from their ids alone, so that new ones move none of them.
SELECT doc_id, :columns
FROM documents
JOIN counts USING (doc_id)
WHERE md5_number_lower(:salt || '/' || doc_id) / 18446744073709551616.0 < :share
