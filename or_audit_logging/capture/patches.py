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
        if getattr(type(target), "__getstate__", None) is object.__getstate__:
            self.put("__getstate__", self._state)

    def put(self, name: str, value: object) -> None:
        """Put *value* on the object as attribute *name*."""
        members = self.target.__dict__
        self._put[name] = (value, members.get(name, _ABSENT))
        members[name] = value

    def _state(self) -> object:
        """Return what a copy of the object is made of: the object as it was before.

        What we put on is bound to the object itself: a copy would send through that. It is not recorded.
        """
        state = object.__getstate__(self.target)
        members, *slots = state if isinstance(state, tuple) else (state,)
        members = dict(members)
        for name, (value, before) in self._put.items():
            if members.get(name) is value:
                members.pop(name)
                if before is not _ABSENT:
                    members[name] = before
        return (members, *slots) if slots else members

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
