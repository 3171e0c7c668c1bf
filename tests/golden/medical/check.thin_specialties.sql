-- checks.thin_specialties · table of step check.thin_specialties
-- The rows that fail.
-- medical.adapt:210 · recipe 813fae5e2d70
SELECT
  specialty,
  COUNT(*) AS n
FROM taxonomy.medicine_links
GROUP BY
  specialty
HAVING
  n < 50;
