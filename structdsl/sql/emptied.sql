-- Documents of which nothing is left without the lines that many repeat.
SELECT doc_id, source, step, reason, evidence
FROM emptied
