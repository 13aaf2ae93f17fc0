-- Calls that began in the period and did not end in what was read. An end comes later by seq; clocks may differ.
SELECT id, timestamp, user_id, model_requested AS model
FROM audit_line
WHERE event_type GLOB '*.started'
  AND timestamp >= $first AND timestamp <= $last
  AND id NOT IN (
    SELECT started_id
    FROM audit_line
    WHERE started_id IS NOT NULL
      AND seq > (SELECT MIN(seq) FROM audit_line WHERE timestamp >= $first AND timestamp <= $last)
  )
