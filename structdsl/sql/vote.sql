-- The node that most rules name; where several have as many votes, that of the first rule.
SELECT chunk_id, node_id, rule, score, evidence
FROM (SELECT *, count(*) OVER (PARTITION BY chunk_id, node_id) AS votes FROM rules)
QUALIFY row_number() OVER (PARTITION BY chunk_id ORDER BY votes DESC, rank) = 1
