-- Calls that failed, by how.
SELECT status, error_type, error_code, COUNT(*) AS requests
FROM calls
WHERE status <> 'success'
GROUP BY status, error_type, error_code
