-- Generation ids that several calls bear.
SELECT generation_id, COUNT(*) AS records
FROM calls
WHERE generation_id IS NOT NULL
GROUP BY generation_id
HAVING COUNT(*) > 1
