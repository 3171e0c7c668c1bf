-- No other corpus is compared with.
SELECT NULL :: VARCHAR AS doc_id, NULL :: VARCHAR AS corpus, NULL :: UBIGINT AS digest, NULL :: BIGINT AS n_shingles, NULL :: UINTEGER[] AS signature
WHERE FALSE
