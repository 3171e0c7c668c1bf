SELECT
  NULL :: VARCHAR AS doc_id,
  NULL :: VARCHAR AS corpus,
  NULL :: BIGINT AS text_byte,
  NULL :: BIGINT AS text_end,
  NULL :: BIGINT AS file_byte,
  NULL :: BIGINT AS n_bytes
WHERE FALSE
