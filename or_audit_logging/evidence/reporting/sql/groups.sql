-- Calls that share a value of {key}; {ranked} is what is asked of their latencies.
SELECT
  {key} AS name,
  COUNT(*) AS requests,
  SUM(CASE WHEN status = 'success' THEN 1 ELSE 0 END) AS successful,
  SUM(total_tokens) AS total_tokens,
  SUM({micro}) AS micro,
  SUM({rest}) AS rest,
  SUM(CASE WHEN total_cost_pico IS NULL THEN 1 ELSE 0 END) AS unpriced,
  SUM(latency_us) AS latency_us,
  COUNT(latency_us) AS timed,
  MAX(latency_us) AS longest,
  {ranked} AS percentiles
FROM calls
GROUP BY 1
