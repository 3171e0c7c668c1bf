-- Every chunk on exactly one node: that of its path.
SELECT placed.chunk_id, placed.doc_id, nodes.node_id, placed.path, :levels, placed.rule, placed.score, placed.evidence
FROM placed
JOIN nodes USING (path)
