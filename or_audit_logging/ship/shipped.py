"""`Shipped`: what came of shipping, and the exit code that stands for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """What came of it: how many lines (and notices) the target has taken now, how many it refused for good.

    `deleted`: lines that retention had deleted before they were shipped. `breaks`: what does not follow.
    `is_complete`: whether it was not stopped while something waited to be sent. The line that is next to be
    shipped is `next_seq`.
    """

    delivered: int = 0
    dead_letters: int = 0
    deleted: int = 0
    breaks: tuple[str, ...] = ()
    next_seq: int = 0
    is_complete: bool = True

    @property
    def exit_code(self) -> int:
        """0: the target has all; 1: there are dead letters, deletions or breaks; 2: not all was shipped."""
        if not self.is_complete:
            return 2
        return 1 if self.dead_letters or self.deleted or self.breaks else 0
