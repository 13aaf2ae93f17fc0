-- What each model cost on each day.
SELECT
  day,
  model,
  COUNT(*) AS requests,
  SUM({micro}) AS micro,
  SUM({rest}) AS rest,
  SUM(CASE WHEN total_cost_pico IS NULL THEN 1 ELSE 0 END) AS unpriced
FROM calls
GROUP BY day, model
