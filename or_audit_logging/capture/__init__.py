"""What happened: one call to a model becomes one AuditRecord, handed to `logging` as `record.audit`.

Read in this order: `decorator` (the entrance), `arguments` (what was asked), `call` (from before the call
to its one record), `response` and `failures` (how it ended), `provider_error` (OpenRouter's error object),
`facts` (what both state), `clean` (redaction), `delivery` (the log's policy, and handing over), `read` and
`trouble` (reading strange objects, saying what went wrong).

The caller's call is never changed: every reader is guarded, and what cannot be read is None.
"""
