"""How long a log is kept: policies, what they ask for today, legal holds.

    from or_audit_logging.retention import RetentionPolicy, retain

    retain("audit_logs", RetentionPolicy(archive_after_days=30, delete_after_days=90, name="ours"))

In two steps, to look at what is planned before it is done:

    actions = plan(segments_of("audit_logs"), PROFILES["operational"], today, holds_of("audit_logs"))
    apply(actions, reason="schedule")
"""

from or_audit_logging.evidence.retention.applying import Applied, apply
from or_audit_logging.evidence.retention.holds import add_hold, holds_of, release_hold
from or_audit_logging.evidence.retention.opened import segments_of
from or_audit_logging.evidence.retention.person import PersonLine, lines_of_person
from or_audit_logging.evidence.retention.planning import Action, Archive, Delete, Keep, SegmentState, plan
from or_audit_logging.evidence.retention.policies import PROFILES, RetentionPolicy, combine
from or_audit_logging.evidence.retention.redacting import Redacted, redact_record
from or_audit_logging.evidence.retention.retain import Kept, Retained, retain
from or_audit_logging.sealing.keeping import Hold

__all__ = [
    "PROFILES",
    "Action",
    "Applied",
    "Archive",
    "Delete",
    "Hold",
    "Keep",
    "Kept",
    "PersonLine",
    "Redacted",
    "Retained",
    "RetentionPolicy",
    "SegmentState",
    "add_hold",
    "apply",
    "combine",
    "holds_of",
    "lines_of_person",
    "plan",
    "redact_record",
    "release_hold",
    "retain",
    "segments_of",
]
