"""What a forked child must not go on with: locks that other threads of its parent held inside RE2.

Imported with the package, whatever is used of it. (Logs see to themselves: their files and locks are theirs.)
"""

from __future__ import annotations

import os
import sys
import threading

_GATE = "or_audit_logging.redaction.gate"
_was_alone = True


def _before() -> None:
    global _was_alone  # noqa: PLW0603 - the one thing that is known only before, and needed after
    _was_alone = threading.active_count() == 1


def _in_child() -> None:
    gate = sys.modules.get(_GATE)
    if gate is not None and not _was_alone:
        gate.do_without_re2()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=_before, after_in_child=_in_child)
