-- What was redacted, as records have it, and how often just so.
SELECT CAST(redactions AS VARCHAR) AS redactions, COUNT(*) AS requests
FROM calls
WHERE redactions IS NOT NULL
GROUP BY CAST(redactions AS VARCHAR)
