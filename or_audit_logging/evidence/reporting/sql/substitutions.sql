-- Calls that another model answered than the one asked for.
SELECT
  model_requested,
  model_used,
  COUNT(*) AS requests,
  SUM({micro}) AS micro,
  SUM({rest}) AS rest,
  SUM(CASE WHEN total_cost_pico IS NULL THEN 1 ELSE 0 END) AS unpriced
FROM calls
WHERE model_requested <> model_used
GROUP BY model_requested, model_used
