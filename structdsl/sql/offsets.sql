SELECT
  doc_id,
  :corpus AS corpus,
  text_byte,
  text_byte + n_bytes AS text_end,
  file_byte,
  n_bytes
FROM offsets
