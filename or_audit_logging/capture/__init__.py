"""What happened: one call to a model becomes one AuditRecord, handed to `logging` as `record.audit`.

Read in this order: `decorator`, `manual`, `client` and `elsewhere` (the entrances), `options` (what they
share), `arguments` and `asked` (what was asked), `call` (from before the call to its one record),
`response` and `failures` (how it ended), `provider_error` (OpenRouter's error object), `facts` (what both
state), `nesting` (calls within calls), `streams` (calls that go on), `making` (the record), `clean` and
`content` (redaction), `delivery` (the log's policy, and handing over), `read` and `trouble` (reading
strange objects, saying what went wrong).

The caller's call is never changed: every reader is guarded, and what cannot be read is None.
"""

from typing import Any

from or_audit_logging.record import AuditRecord, register_builder

__all__ = ["AuditRecord"]


def _build(**call: Any) -> AuditRecord:
    from or_audit_logging.capture.elsewhere import build  # here: whoever only reads records does without

    return build(**call)


register_builder(_build)
