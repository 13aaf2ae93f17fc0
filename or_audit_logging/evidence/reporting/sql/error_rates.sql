-- How many of each model's calls failed since a moment.
SELECT
  model,
  COUNT(*) AS requests,
  SUM(CASE WHEN status <> 'success' THEN 1 ELSE 0 END) AS failed
FROM calls
WHERE timestamp >= $since AND timestamp <= $until
GROUP BY model
