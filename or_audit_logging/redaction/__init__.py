"""Redaction: personal data and secrets out of text and values, as rules without I/O.

    Redactor().redact("write to ann@example.com").text      -> "write to [EMAIL]"

A text goes through three steps. `plain` reads what is escaped or oddly written; a gate (`gate`) selects the
matchers (`matchers`) that may find something; `spans` makes one of findings that overlap. What then stands in
their place, `actions` says. `redactor` is the whole for a text, `values` for dicts, lists and objects,
`records` for audit records. `allow`, `known`, `recognizers` and `cost` are what a configuration may add.
"""

from or_audit_logging.redaction.finding import Finding
from or_audit_logging.redaction.redactor import Redacted, Redactor

__all__ = ["Finding", "Redacted", "Redactor"]
