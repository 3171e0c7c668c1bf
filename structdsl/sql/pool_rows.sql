SELECT
  corpus || '/' || doc_id AS sample_id,
  corpus,
  role,
  doc_id,
  NULL :: VARCHAR AS chunk_id,
  NULL :: VARCHAR[] AS heading_path,
  text,
  n_tokens
FROM documents
