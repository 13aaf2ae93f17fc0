-- Records that the log says it lost.
SELECT {lost_reason} AS reason, {lost_count} AS records
FROM audit_line
WHERE event_type = 'log.lost' AND timestamp >= $first AND timestamp <= $last
