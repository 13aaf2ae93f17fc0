"""`Books`: a log opened for questions, whichever engine answers them.

    with open_books("audit_logs") as books:
        books.ask("SELECT status, COUNT(*) FROM audit_log GROUP BY 1").rows     -> [("success", 880), ...]

Values in a statement are named `$name`, in both engines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from or_audit_logging.evidence.books.pages import Problems

Engine = Literal["auto", "sqlite", "duckdb"]
ENGINES: tuple[Engine, ...] = ("auto", "sqlite", "duckdb")


@dataclass(frozen=True, slots=True)
class Answer:
    """The names of an answer's columns, its rows, and whether there would have been more of them."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    has_more: bool = False


class Books(Protocol):
    """A log's calls as the view `audit_log`, read-only; close it, or use it in a with block."""

    engine: str
    """`sqlite` or `duckdb`."""
    problems: Problems
    dialect: Mapping[str, str]
    """What the engines write differently, for statements of ours."""

    def ask(
        self,
        sql: str,
        values: Mapping[str, object] | None = None,
        *,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Return the answer to one statement that reads; raises `SQLError` for any other, and its mistakes.

        *limit*: at most so many rows. *timeout*: in seconds.
        """

    def keep(self, sql: str, values: Mapping[str, object]) -> None:
        """Run a statement of ours that makes a temporary table."""

    def close(self) -> None:
        """Close it, and remove what was made for it."""

    def __enter__(self) -> Books: ...

    def __exit__(self, *_: object) -> None: ...
