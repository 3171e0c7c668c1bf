SELECT chunk_id AS sample_id, corpus, :role AS role, doc_id, chunk_id, heading_path, text, n_tokens
FROM chunks
