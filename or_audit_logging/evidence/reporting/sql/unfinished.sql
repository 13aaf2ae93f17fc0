-- Calls that began in the period and never ended.
SELECT COUNT(*) AS requests
FROM audit_line
WHERE event_type GLOB '*.started'
  AND timestamp >= $first AND timestamp <= $last
  AND id NOT IN (SELECT started_id FROM audit_line WHERE started_id IS NOT NULL AND timestamp >= $first)
