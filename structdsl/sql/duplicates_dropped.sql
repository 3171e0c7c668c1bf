-- Documents that leave because another one like them stays.
SELECT clusters.doc_id, documents.source, 'dedup' AS step, clusters.method AS reason, clusters.cluster_id AS evidence
FROM clusters
JOIN documents USING (doc_id)
WHERE NOT clusters.kept
