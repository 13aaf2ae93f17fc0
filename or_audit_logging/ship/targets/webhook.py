"""`webhook:https://...`: a JSON array of the lines, POSTed to an address of your own.

The body is `[<line>,<line>,...]`: in the native format each element is a sealed line's own bytes. Any status
from 200 to 299 confirms all of it; what others mean stands in docs/targets.md. The receiver can tell a second
delivery by `id`, or by `log` and `seq`.
"""

from __future__ import annotations

from collections.abc import Sequence

from or_audit_logging.ship.credentials import optional_credential
from or_audit_logging.ship.http import HTTPSender
from or_audit_logging.ship.target import Answer, Item, Limits, TargetOptions

TOKEN_VARIABLE = "OR_AUDIT_WEBHOOK_TOKEN"  # noqa: S105 - the name of a variable

_LIMITS = Limits(items=1_000, bytes=1 << 20, item_bytes=1 << 20, overhead=1)


class WebhookTarget:
    """An address that takes JSON arrays."""

    limits = _LIMITS
    format = "native"

    def __init__(self, sender: HTTPSender) -> None:
        self._sender = sender
        self.name = f"webhook:{sender.name}"

    def send(self, items: Sequence[Item], /) -> Answer:
        """POST *items* as one array."""
        body = b"[" + b",".join([item.body for item in items]) + b"]"
        self._sender.post(body, content_type="application/json")
        return Answer()

    def close(self) -> None:
        """Close the connection."""
        self._sender.close()


def open_target(address: str, options: TargetOptions) -> WebhookTarget:
    """Return the target at the URL *address*; raises `ConfigError`.

    OR_AUDIT_WEBHOOK_TOKEN, or the file that OR_AUDIT_WEBHOOK_TOKEN_FILE names, is sent as a bearer token.
    """
    token = optional_credential(TOKEN_VARIABLE)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return WebhookTarget(HTTPSender(address, options=options, headers=headers))
