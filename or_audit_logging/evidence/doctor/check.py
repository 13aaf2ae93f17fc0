"""What one look found: `Check`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

State = Literal["ok", "warning", "problem", "unknown"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `name` is a stable word for programs, `found` a sentence.

    A *problem* loses records, leaks or cannot be verified; a *warning* may become one; *unknown* could not
    be told from here. `advice` says what to do; None where there is nothing to do.
    """

    name: str
    state: State
    found: str
    advice: str | None = None

    def to_dict(self) -> dict[str, str | None]:
        """Return the check as plain values, ready for `json.dumps`."""
        return asdict(self)
