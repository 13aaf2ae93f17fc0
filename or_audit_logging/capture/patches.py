"""`Patches`: attributes put on one object, and taken off again so that it is as before.

    patches = Patches(client)
    patches.put("request", hook.request)     # found before the class's own
    patches.undo()

Only the one object changes, never its class. Where somebody has wrapped ours in the meantime, that stays, and
`are_on` tells the hook to step aside.
"""

from __future__ import annotations

from typing import Any

_ABSENT = object()


class Patches:
    """What stood in an object's `__dict__` before, by name."""

    def __init__(self, target: Any) -> None:
        self.target = target
        self.are_on = True
        self._put: dict[str, tuple[object, object]] = {}

    def put(self, name: str, value: object) -> None:
        """Put *value* on the object as attribute *name*."""
        members = self.target.__dict__
        self._put[name] = (value, members.get(name, _ABSENT))
        members[name] = value

    def undo(self) -> None:
        """Take off what was put on."""
        self.are_on = False
        members = self.target.__dict__
        for name, (value, before) in self._put.items():
            if members.get(name) is not value:
                continue
            if before is _ABSENT:
                del members[name]
            else:
                members[name] = before


MARK = "_or_audit_hook"
"""Under this name a hook stands on the object that it was put on."""


def hook_on(target: Any, kind: type[Any]) -> Any:
    """Return the hook of class *kind* on *target*, not that of an object it was copied from; or None."""
    hook = getattr(target, "__dict__", {}).get(MARK)
    return hook if isinstance(hook, kind) and hook.patches.target is target else None
