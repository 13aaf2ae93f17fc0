"""`diagnose`: what would keep an audit trail from being kept, and what to do about it.

    for check in diagnose("audit_logs"): print(check.state, check.name, check.found, check.advice)

Looks at keys, folder, clock, logging and the log's own last lines; changes nothing and asks nobody on the
network. Whether the lines hold is `verify`'s to say.
"""

from or_audit_logging.evidence.doctor.check import Check as Check
from or_audit_logging.evidence.doctor.diagnose import diagnose as diagnose
