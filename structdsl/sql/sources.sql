SELECT corpus, doc_id, source
FROM documents
