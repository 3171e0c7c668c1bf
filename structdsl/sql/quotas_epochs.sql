-- Every corpus whole, as often as the budget says.
SELECT corpus, CAST(sum(n_tokens) * :epochs AS BIGINT) AS quota
FROM pool
GROUP BY corpus
ORDER BY corpus
