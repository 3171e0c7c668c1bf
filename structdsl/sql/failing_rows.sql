-- Rows that fail an expectation, each under its name.
SELECT CAST(:expectation AS VARCHAR) AS expectation, checked.*
FROM checked
WHERE :breach
