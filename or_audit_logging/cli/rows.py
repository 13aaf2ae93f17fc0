"""Records as people and programs read them: a table as wide as the terminal, CSV, JSON, JSON lines.

    write_table(records, out, width=100)
    writer = RowWriter("csv", out, fields=None); writer.write(record, seq); writer.close()

Money has all its digits everywhere. A table has no control characters of a record's, and no cell of a CSV
file starts a formula.
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Sequence
from typing import Any, Literal, TextIO

from or_audit_logging.cli.output import paint, printable
from or_audit_logging.evidence.late_facts import awaits_facts
from or_audit_logging.evidence.reporting.rows import csv_cell
from or_audit_logging.hints import hint
from or_audit_logging.record import NAMES, AuditRecord
from or_audit_logging.sealing.text import written

Format = Literal["table", "json", "csv", "jsonl"]
FORMATS: tuple[Format, ...] = ("table", "json", "csv", "jsonl")
FIELDS = (*NAMES, "seq")

_STYLES = {
    "error": "red",
    "timeout": "red",
    "blocked": "yellow",
    "cancelled": "yellow",
    "incomplete": "yellow",
}
_SHORT = 12
_LONG_MODEL = 60
_LONG_USER = 40
_GAP = 2
_INDENT = "    "


class RowWriter:
    """Writes records in a machine's format: JSON in one array, JSON lines, or CSV."""

    def __init__(self, form: Format, out: TextIO, *, fields: Sequence[str] | None = None) -> None:
        """*fields*: only these members, in this order."""
        self._form = form
        self._out = out
        self._fields = fields
        self._count = 0
        self._csv: Any = csv.writer(out, lineterminator="\r\n") if form == "csv" else None
        if self._csv is not None:
            self._csv.writerow(fields or FIELDS)

    def write(self, record: AuditRecord, seq: int | None) -> None:
        """Write one."""
        members = record.to_dict() | {"seq": seq}
        if self._csv is not None:
            self._csv.writerow([_cell(members.get(name)) for name in self._fields or FIELDS])
        else:
            if self._fields is not None:
                members = {name: members.get(name) for name in self._fields}
            before = "" if self._form == "jsonl" else ",\n" if self._count else "[\n"
            self._out.write(before + written(members).decode("ascii"))
            if self._form == "jsonl":
                self._out.write("\n")
        self._count += 1

    def close(self) -> None:
        """Write what comes after the last."""
        if self._form == "json":
            self._out.write("\n]\n" if self._count else "[]\n")


def _cell(value: object) -> str:
    """Return *value* as a CSV cell's text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return csv_cell(value)
    return written({"": value})[4:-1].decode("ascii")


def write_table(
    rows: Sequence[tuple[AuditRecord, int | None]],
    out: TextIO,
    *,
    width: int,
    fields: Sequence[str] | None = None,
) -> None:
    """Write *rows* under a head, in at most *width* columns where their shortest form fits."""
    layout = Columns(width, fields=fields)
    layout.fit(rows)
    out.write(paint(layout.head(), "bold", out) + "\n")
    out.writelines(layout.text(record, seq, out) + "\n" for record, seq in rows)


class Columns:
    """The columns of a table, and how wide each is."""

    def __init__(self, width: int, *, fields: Sequence[str] | None = None) -> None:
        self._fields = fields
        self._room = width
        if fields is None:
            self._names: tuple[str, ...] = (
                "TIME (UTC)",
                "STATUS",
                "USER",
                "MODEL",
                "TOKENS",
                "COST (USD)",
                "MS",
            )
            self._right = {4, 5, 6}
            self._elastic = [3, 2]
            self._widths = [19, 10, 16, 28, 7, 12, 7]
        else:
            self._names = tuple(fields)
            self._right = set()
            self._elastic = list(range(len(fields)))
            self._widths = [max(len(name), 12) for name in fields]

    def fit(self, rows: Sequence[tuple[AuditRecord, int | None]]) -> None:
        """Make the columns as wide as *rows* need, and the elastic ones narrower where that is too wide."""
        cells = [self._names, *(self._cells(record, seq) for record, seq in rows)]
        self._widths = [max(columns(row[at]) for row in cells) for at in range(len(self._names))]
        self.squeeze()

    def squeeze(self) -> None:
        """Shorten the elastic columns, the widest first, until the table fits or they are short."""
        while sum(self._widths) + _GAP * (len(self._widths) - 1) > self._room:
            at = max(self._elastic, key=lambda column: self._widths[column])
            if self._widths[at] <= _SHORT:
                break
            self._widths[at] -= 1

    def head(self) -> str:
        """Return the table's head."""
        return self._line(self._names)

    def text(self, record: AuditRecord, seq: int | None, out: TextIO) -> str:
        """Return the row of a record; below an error, what it says and what to do."""
        line = self._line(self._cells(record, seq))
        style = _STYLES.get(record.status or "")
        if self._fields is not None or style is None:
            return line
        room = max(self._room - len(_INDENT), 2 * _SHORT)
        said = (shortened(printable(_error(record)), room), hint(record.error_code))
        below = _wrapped(": ".join(filter(None, said)), room)
        return "\n".join([paint(line, style, out), *(_INDENT + one for one in below)])

    def _cells(self, record: AuditRecord, seq: int | None) -> tuple[str, ...]:
        if self._fields is not None:
            members = record.to_dict() | {"seq": seq}
            return tuple(
                printable(value if isinstance(value := members.get(name), str) else _cell(value))
                for name in self._fields
            )
        return tuple(
            map(
                printable,
                (
                    record.timestamp[:19].replace("T", " "),
                    record.status or record.event_type,
                    _cut(record.user_id or "", _LONG_USER),
                    _cut(record.model_used or record.model_requested or "", _LONG_MODEL),
                    "" if record.total_tokens is None else str(record.total_tokens),
                    _cost(record),
                    "" if record.latency_ms is None else f"{record.latency_ms:.0f}",
                ),
            )
        )

    def _line(self, cells: Sequence[str]) -> str:
        out = []
        for at, (cell, width) in enumerate(zip(cells, self._widths, strict=True)):
            text = shortened(cell, width) if at in self._elastic else cell
            blank = " " * (width - columns(text))
            out.append(blank + text if at in self._right else text + blank)
        return (" " * _GAP).join(out).rstrip()


def columns(text: str) -> int:
    """Return how many columns of a terminal *text* takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(_columns_of(c) for c in text)


def shortened(text: str, width: int) -> str:
    """Return *text*, or its start with an ellipsis where it takes more than *width* columns."""
    if columns(text) <= width:
        return text
    room, kept = width - 1, []
    for c in text:
        room -= _columns_of(c)
        if room < 0:
            break
        kept.append(c)
    return "".join(kept) + "\u2026"


def _columns_of(c: str) -> int:
    return 0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "\u2026"


def _cost(record: AuditRecord) -> str:
    if record.total_cost is None:
        return "unknown" if awaits_facts(record) else ""
    return format(record.total_cost, "f")


def _error(record: AuditRecord) -> str:
    said = " ".join(str(one) for one in (record.error_code, record.error_type) if one is not None)
    return ": ".join(filter(None, (said, record.error_message)))


def _wrapped(text: str, width: int) -> list[str]:
    """Return *text* in lines of at most *width* columns; a word that is longer is shortened."""
    lines: list[str] = []
    for word in text.split():
        if lines and columns(lines[-1]) + 1 + columns(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(shortened(word, width))
    return lines
