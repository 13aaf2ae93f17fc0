"""Shipping: sealed lines to whoever else is to have them, each at least once (docs/targets.md).

    from or_audit_logging.ship import Shipper

    with Shipper("audit_logs", "webhook:https://collector.example/audit") as shipper:
        shipped = shipper.run()

Read in this order: `target` (what a target is), `targets` (each of them), `http`, `answers`,
`credentials`; `continuity` (do lines follow one another), `listing`, `spool` (lines that wait), `cursor`,
`items`, `batches`, `ages`, `trouble`, `delivery`, `dead_letters`, `outgoing`, `again`, `beginning`,
`held`, `arguments`, `stopping`; `shipped`, `shipper`, `status`. `aws`, `google_session`, `log_entry` and `s3`
serve single targets.
"""

from or_audit_logging.ship.beginning import NotBegunError
from or_audit_logging.ship.shipped import Shipped
from or_audit_logging.ship.shipper import Shipper
from or_audit_logging.ship.status import TargetStatus, ship_status
from or_audit_logging.ship.target import Answer, Item, Limits, Target, TargetOptions

__all__ = [
    "Answer",
    "Item",
    "Limits",
    "NotBegunError",
    "Shipped",
    "Shipper",
    "Target",
    "TargetOptions",
    "TargetStatus",
    "ship_status",
]
