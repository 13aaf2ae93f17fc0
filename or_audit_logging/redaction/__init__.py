"""Redaction: personal data and secrets out of text and values, as rules without I/O.

    Redactor().redact("write to ann@example.com").text      -> "write to [EMAIL]"

`patterns` says what is looked for, `redactor` applies it to text, `values` to dicts and lists, `records` to
audit records.
"""

from or_audit_logging.redaction.patterns import Finding
from or_audit_logging.redaction.redactor import Redacted, Redactor

__all__ = ["Finding", "Redacted", "Redactor"]
