-- The calls of the period, with what the other questions go by; {...} is what the engines write differently.
CREATE TEMPORARY TABLE calls AS
SELECT
  SUBSTR(timestamp, 1, 10) AS day,
  timestamp,
  status,
  NULLIF(user_id, '') AS user_id,
  NULLIF(COALESCE(model_used, model_requested), '') AS model,
  NULLIF(model_requested, '') AS model_requested,
  NULLIF(model_used, '') AS model_used,
  NULLIF(provider, '') AS provider,
  generation_id,
  error_type,
  error_code,
  cost_source,
  is_byok,
  CASE WHEN total_tokens BETWEEN 0 AND 1000000000000 THEN total_tokens END AS total_tokens,
  CASE WHEN prompt_tokens BETWEEN 0 AND 1000000000000 THEN prompt_tokens END AS prompt_tokens,
  CASE WHEN completion_tokens BETWEEN 0 AND 1000000000000 THEN completion_tokens END AS completion_tokens,
  total_cost_pico,
  CASE WHEN latency_ms BETWEEN 0 AND 1000000000 THEN {latency_us} END AS latency_us,
  CASE WHEN ttft_ms BETWEEN 0 AND 1000000000 THEN {ttft_us} END AS ttft_us,
  metadata,
  redactions
FROM audit_log
WHERE timestamp >= $first AND timestamp <= $last
