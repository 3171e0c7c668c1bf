-- A figure of a table, where it is out of bounds.
SELECT CAST(:expectation AS VARCHAR) AS expectation, value, :low :: DOUBLE AS at_least, :high :: DOUBLE AS at_most
FROM (SELECT CAST(:measure AS DOUBLE) AS value FROM checked) AS figure
WHERE value IS NULL OR value < :low OR value > :high
