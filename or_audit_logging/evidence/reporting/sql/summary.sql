-- All calls together.
SELECT
  COUNT(*) AS requests,
  SUM(CASE WHEN status = 'success' THEN 1 ELSE 0 END) AS successful,
  SUM(total_tokens) AS total_tokens,
  SUM(prompt_tokens) AS prompt_tokens,
  SUM(completion_tokens) AS completion_tokens,
  SUM(CASE WHEN total_tokens IS NULL THEN 1 ELSE 0 END) AS uncounted,
  SUM({micro}) AS micro,
  SUM({rest}) AS rest,
  SUM(CASE WHEN total_cost_pico IS NULL THEN 1 ELSE 0 END) AS unpriced,
  SUM(CASE WHEN is_byok = 1 THEN 1 ELSE 0 END) AS byok,
  SUM(CASE WHEN is_byok = 1 THEN {micro} END) AS byok_micro,
  SUM(CASE WHEN is_byok = 1 THEN {rest} END) AS byok_rest,
  SUM(latency_us) AS latency_us,
  COUNT(latency_us) AS timed,
  SUM(ttft_us) AS ttft_us,
  COUNT(ttft_us) AS streamed,
  SUM(CASE WHEN total_tokens IS NULL AND total_cost_pico IS NULL THEN 1 ELSE 0 END) AS without_facts,
  SUM(CASE WHEN cost_source = 'generation' THEN 1 ELSE 0 END) AS late_costs,
  MIN(timestamp) AS first,
  MAX(timestamp) AS last
FROM calls
