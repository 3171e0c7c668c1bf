-- Rows that fail an expectation about several of them.
SELECT CAST(:expectation AS VARCHAR) AS expectation, checked.*
FROM checked
QUALIFY :breach
