-- How many rows failed and were put up with.
SELECT count(*) AS failing
FROM failing
