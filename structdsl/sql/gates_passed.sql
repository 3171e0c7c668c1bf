-- How many requirements were met.
SELECT count(*) AS met
FROM gates
