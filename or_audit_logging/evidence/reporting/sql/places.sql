-- The values of {times} that stand in these places, smallest first.
SELECT place, value
FROM (
  SELECT {times} AS value, ROW_NUMBER() OVER (ORDER BY {times}) AS place
  FROM calls
  WHERE {times} IS NOT NULL
) AS ordered
WHERE place IN ($p50, $p95, $p99, $longest)
