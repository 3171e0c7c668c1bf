-- Documents with their headings that become nodes; a document without any has a row of its own.
SELECT
  documents.corpus,
  documents.doc_id,
  documents.title AS document,
  documents.source,
  headings.heading_id,
  headings.parent_id,
  headings.title,
  headings.level,
  headings.position
FROM documents
LEFT JOIN headings
  ON headings.corpus = documents.corpus AND headings.doc_id = documents.doc_id AND headings.level <= :depth
