-- checks.thin_specialties · table of step check.thin_specialties
-- The rows that fail.
-- medical.adapt:210 · recipe 69fce0f0bd78
SELECT
  specialty,
  COUNT(*) AS n
FROM taxonomy.medicine_links
GROUP BY
  specialty
HAVING
  n < 50;
