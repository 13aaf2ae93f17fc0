"""What commands print: plain words, colour only on a terminal, errors on stderr."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.arguments import PathText, find_log

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}
_UNTIL_PROGRESS, _BETWEEN_PROGRESS = 0.5, 0.1
"""Seconds."""
_BESIDE_STORE = ("", "-wal", "-shm", "-journal")


def colourful(stream: TextIO) -> bool:
    """Whether *stream* is a terminal that shows colour (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, style: str, stream: TextIO | None = None) -> str:
    """Return *text* in *style* where *stream* (default: stdout) shows colour."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if colourful(stream or sys.stdout) else text


def complain(message: str) -> None:
    """Print an error on stderr."""
    _say("or-audit:", "red", message)


def warn(message: str) -> None:
    """Print on stderr what is no error and yet to be known."""
    _say("or-audit: note:", "yellow", message)


def _say(who: str, style: str, message: str) -> None:
    """Print on stderr; where that is closed or full, the work goes on, and the exit code tells."""
    stream: TextIO | None = sys.stderr
    if stream is not None:
        with contextlib.suppress(OSError, ValueError):
            print(paint(who, style, stream), printable(message), file=stream)


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Return *rows*, the first of which is the head, in columns; those numbered in *right* end flush."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        line = "  ".join(cells).rstrip()
        lines.append(paint(line, "bold") if number == 0 else line)
    return "\n".join(lines)


def printable(text: str) -> str:
    """Return *text* with control characters escaped, so that a file's content cannot drive a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@contextlib.contextmanager
def progress(unit: str) -> Iterator[Callable[[int], None] | None]:
    """Yield what says on stderr how far a long work has come, in *unit*s; None where that is no terminal.

    What it said is gone at the end.
    """
    stream: TextIO | None = sys.stderr
    if stream is None or not stream.isatty():
        yield None
        return
    due = time.monotonic() + _UNTIL_PROGRESS
    is_shown = False

    def say(count: int) -> None:
        nonlocal due, is_shown
        if time.monotonic() >= due:
            due, is_shown = time.monotonic() + _BETWEEN_PROGRESS, True
            sys.stderr.write(f"\r{count:,} {unit}")
            sys.stderr.flush()

    try:
        yield say
    finally:
        if is_shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


@contextlib.contextmanager
def destination(name: str | None, *, log: PathText) -> Iterator[TextIO]:
    """Yield stdout, or the file called *name*, which has that name once it is complete.

    Raises `ConfigError` where it cannot be made, or would stand in the folder of *log* or in a store's place,
    and `OSError`.
    """
    if name is None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="backslashreplace")
        yield sys.stdout
        return
    target = Path(name).resolve()
    _refuse_in_log(target, log)
    try:
        descriptor, unfinished = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror}") from error
    try:
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="") as out:
            yield out
        os.replace(unfinished, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise


def _refuse_in_log(target: Path, log: PathText) -> None:
    found = find_log(log)
    if found.store is not None:
        is_inside = target in [Path(f"{found.store.resolve()}{end}") for end in _BESIDE_STORE]
    else:
        is_inside = target.is_relative_to(found.folder.resolve())
    if is_inside:
        raise ConfigError(f"{target} is part of the log; write it elsewhere")
