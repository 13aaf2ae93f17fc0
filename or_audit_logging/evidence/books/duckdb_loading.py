"""Reading a folder's lines into DuckDB: fast where it cannot err, by us where it might.

    load_pages(duck, folder, pages, Rows(columns, problems), problems)       fills the table audit_line

A line is doubtful that DuckDB may see otherwise than `columns` does. One of them in a file is enough for that
file to be read by us.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from or_audit_logging.evidence.books.pages import Page, Problems, Rows, blocks_of
from or_audit_logging.store.columns import CODE, COLUMNS, FLAGS, IN_THE_LINE, INTEGERS, PICO, REALS, TEXTS

_TOGETHER = 4
"""So many files are read at the same time; of archives, half of them."""
_FREE_TEXT = frozenset(("user_id", "session_id", "request_id", CODE))
"""Texts that may look like numbers; of others, those that do are doubtful."""
_LOSS = ("count", "reason")
_TEXT_OF_OTHERS = r"^(?:[{\[]|-?[0-9.]+(?:[eE][-+]?[0-9]+)?$|true$|false$)"
"""What a number, an object, an array or a boolean looks like that was read as text."""
_PLAIN_AMOUNT = r"^-?[0-9]{1,3}\.[0-9]{1,12}$"
"""Of so many digits, a double has lost none."""
_AMOUNT = "TRY_CAST(CAST(total_cost AS VARCHAR) AS DECIMAL(18, 12))"
_FINER = "TRY_CAST(CAST(total_cost AS VARCHAR) AS DECIMAL(18, 13))"
_LINE_LIMIT = 1 << 20
_ROW_LIMIT = 1 << 23


def load_pages(duck: Any, folder: Path, pages: Sequence[Page], rows: Rows, problems: Problems) -> None:
    """Make the table `audit_line` and fill it; *folder* is for files that stay for a moment.

    Raises `duckdb.Error`, `OSError`.
    """
    _Loading(duck, folder, rows, problems).load(pages)


class _Loading:
    """What is the same for all files."""

    def __init__(self, duck: Any, folder: Path, rows: Rows, problems: Problems) -> None:
        self._duck = duck
        self._folder = folder
        self._rows = rows
        self._problems = problems
        self._read_names = tuple(name for name in rows.names if name != PICO)
        members = ", ".join(f"{name} {_type(name)}" for name in (*COLUMNS, *IN_THE_LINE))
        duck.execute(
            "CREATE TABLE audit_line "
            f"(seq BIGINT, loss_count BIGINT, loss_reason VARCHAR, {members}, file VARCHAR, "
            "is_doubtful BOOLEAN)"
        )
        self._insert = self._insert_statement()

    def load(self, pages: Sequence[Page]) -> None:
        """Read *pages*: what DuckDB can, and then what is left."""
        whole = [number for number, page in enumerate(pages) if not page.facts_only]
        ours = [number for number, page in enumerate(pages) if page.facts_only]
        archived = [number for number in whole if pages[number].source.segment.archived]
        plain = [number for number in whole if not pages[number].source.segment.archived]
        with ThreadPoolExecutor(max_workers=2) as pool:
            for some in _in_groups(archived, _TOGETHER // 2):
                paths = list(pool.map(lambda number: self._inflated(pages[number], number), some))
                ours += self._read(dict(zip(some, paths, strict=True)))
                for path in paths:
                    path.unlink()
        for some in _in_groups(plain, _TOGETHER):
            ours += self._read({number: pages[number].source.segment.path for number in some})
        if self._has_twins():  # which of two lines counts is for us to say
            self._duck.execute("DELETE FROM audit_line")
            ours = list(range(len(pages)))
        self._problems.forget(pages[number].name for number in ours)
        self._read_ourselves([pages[number] for number in sorted(ours)])

    def _inflated(self, page: Page, number: int) -> Path:
        path = self._folder / f"{number}.jsonl"
        with open(path, "wb") as file:
            file.writelines(blocks_of(page.source, self._problems))
        return path

    def _read(self, paths: Mapping[int, Path]) -> list[int]:
        """Read files into the table; return the numbers of those that are left to us."""
        given = {str(path): number for number, path in paths.items() if os.path.exists(path)}
        ours = [number for number in paths if number not in given.values()]
        if not given:
            return ours
        self._duck.execute(self._insert, [[_literal(path) for path in given]])
        doubtful = self._duck.execute(
            "SELECT DISTINCT file FROM audit_line WHERE is_doubtful IS NOT FALSE"
        ).fetchall()
        for (file,) in doubtful:
            self._duck.execute("DELETE FROM audit_line WHERE file = ?", [file])
        return ours + [given[file] for (file,) in doubtful]

    def _insert_statement(self) -> str:
        kinds = {
            name: "JSON" if _is_looked_at(name) else "VARCHAR"
            for name in (*self._read_names, *self._rows.in_line)
        }
        kinds |= {"seq": "JSON", "count": "JSON", "reason": "VARCHAR", "leaf": "VARCHAR", "id": "VARCHAR"}
        kinds |= {"event_type": "VARCHAR"}
        loss = "CASE WHEN event_type = 'log.lost' THEN {} END"
        taken = {
            "seq": "TRY_CAST(CAST(seq AS VARCHAR) AS BIGINT)",
            "loss_count": loss.format("TRY_CAST(CAST(count AS VARCHAR) AS BIGINT)"),
            "loss_reason": loss.format("reason"),
            **{name: _value(name) for name in self._read_names},
            **{
                name: f"CASE WHEN CAST({name} AS VARCHAR) <> 'null' THEN {name} END"
                for name in self._rows.in_line
            },
            "file": "filename",
            "is_doubtful": " OR ".join(self._doubts()),
        }
        if PICO in self._rows.names:
            taken[PICO] = f"CAST({_AMOUNT} * 1000000000000 AS BIGINT)"
        return (
            f"INSERT INTO audit_line ({', '.join(taken)}) SELECT {', '.join(taken.values())} "
            f"FROM read_json(?, format='newline_delimited', columns={_struct(kinds)}, ignore_errors=true, "
            f"maximum_object_size={_LINE_LIMIT}, compression='uncompressed', filename=true) "
            "WHERE id IS NOT NULL OR leaf IS NULL"
        )

    def _doubts(self) -> list[str]:
        """Return conditions of which one holds for each doubtful line."""
        seq = "NOT regexp_full_match(CAST(seq AS VARCHAR), '[0-9]{1,18}')"
        return [
            "(id IS NULL AND leaf IS NULL)",
            f"(id IS NOT NULL AND (seq IS NULL OR {seq}))",
            *(f"({name} IS NOT NULL AND ({_doubt(name)}))" for name in self._read_names),
        ]

    def _has_twins(self) -> bool:
        found = self._duck.execute("SELECT COUNT(*), COUNT(DISTINCT seq) FROM audit_line").fetchone()
        return bool(found[0] != found[1])

    def _read_ourselves(self, pages: Sequence[Page]) -> None:
        """Read *pages* as they are read for SQLite, and hand rows over."""
        if not pages:
            return
        seen = set(self._seqs())
        names = ("seq", *self._rows.names, *self._rows.in_line)
        kinds = {"seq": "BIGINT", "loss_count": "JSON", "loss_reason": "JSON"}
        kinds |= {name: _type(name) for name in names[1:]}
        insert = (
            f"INSERT INTO audit_line ({', '.join(names)}, loss_count, loss_reason) "
            f"SELECT {', '.join(names)}, TRY_CAST(CAST(loss_count AS VARCHAR) AS BIGINT), "
            "loss_reason ->> '$' "
            f"FROM read_json(?, format='newline_delimited', columns={_struct(kinds)}, "
            f"maximum_object_size={_ROW_LIMIT}, compression='uncompressed')"
        )
        path = self._folder / "rows.jsonl"
        for page in pages:
            with open(path, "w", encoding="ascii") as file:
                for seq, line, *values in self._rows.of(page):
                    if seq in seen:
                        self._problems.bad(page.name)
                    else:
                        seen.add(seq)
                        file.write(_row(names, (seq, *values), line))
            self._duck.execute(insert, [_literal(str(path))])
            path.unlink()

    def _seqs(self) -> Iterator[int]:
        found = self._duck.execute("SELECT seq FROM audit_line")
        while rows := found.fetchmany(10_000):
            for (seq,) in rows:
                yield seq


def _is_looked_at(name: str) -> bool:
    """Return whether a member is read as JSON, so that it can be seen what it was."""
    return name not in TEXTS or name in _FREE_TEXT


def _doubt(name: str) -> str:
    """Return the condition that the member *name*, which is not null, is doubtful."""
    text = f"CAST({name} AS VARCHAR)"
    if name == "total_cost":
        is_exact = f"abs({_AMOUNT}) < 1000 AND {_AMOUNT} = {_FINER} AND {text} NOT LIKE '\"%'"
        return f"NOT regexp_matches({text}, '{_PLAIN_AMOUNT}') AND ({is_exact}) IS NOT TRUE"
    if name in REALS:
        return f"NOT regexp_full_match({text}, '-?[0-9.]{{1,24}}')"
    if name in INTEGERS:
        return f"NOT regexp_full_match({text}, '-?[0-9]{{1,15}}')"
    if name in FLAGS:
        return f"{text} NOT IN ('true', 'false')"
    if name == CODE:
        return f"{text} NOT LIKE '\"%' AND NOT regexp_full_match({text}, '-?[0-9]{{1,15}}')"
    if name in _FREE_TEXT:
        return f"{text} NOT LIKE '\"%'"
    return f"regexp_matches({name}, '{_TEXT_OF_OTHERS}')"


def _value(name: str) -> str:
    """Return what stands in the column *name*."""
    text = f"CAST({name} AS VARCHAR)"
    if name in REALS:
        return f"TRY_CAST({text} AS DOUBLE)"
    if name in INTEGERS:
        return f"TRY_CAST({text} AS BIGINT)"
    if name in FLAGS:
        return f"CASE {text} WHEN 'true' THEN 1 WHEN 'false' THEN 0 END"
    return f"{name} ->> '$'" if name in _FREE_TEXT else name


def _type(name: str) -> str:
    if name in IN_THE_LINE:
        return "JSON"
    if name in INTEGERS or name in FLAGS or name == PICO:
        return "BIGINT"
    return "DOUBLE" if name in REALS else "VARCHAR"


def _struct(kinds: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in kinds.items()) + "}"


def _row(names: tuple[str, ...], values: tuple[Any, ...], line: str) -> str:
    members = {name: value for name, value in zip(names, values, strict=False) if value is not None}
    kept = json.loads(line)
    members |= {name: kept[name] for name in names if name in kept}
    members |= {f"loss_{name}": kept[name] for name in _LOSS if name in kept}
    return json.dumps(members, separators=(",", ":")) + "\n"


def _literal(path: str) -> str:
    """Return *path* for DuckDB, which takes it for a pattern."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)


def _in_groups(numbers: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]
