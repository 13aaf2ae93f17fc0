"""Reading a folder's lines into DuckDB: fast where it cannot err, by us where it might.

    load_pages(duck, folder, pages, Rows(columns, problems), problems)       fills the table audit_line

A line is doubtful that DuckDB may see otherwise than `columns` does. One of them in a file is enough for that
file to be read by us: the statement that reads it fails, and leaves nothing behind. The table has only the
columns that are asked for, since each of them takes room in every row, and time.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from or_audit_logging.evidence.books.pages import Page, Problems, Row, Rows, blocks_of
from or_audit_logging.store.columns import CODE, FLAGS, IN_THE_LINE, INTEGERS, PICO, REALS, TEXTS

_TOGETHER = 4
"""So many files are read by one statement."""
_INFLATED = 2
"""So many archives are decompressed at the same time, and read together."""
_FREE_TEXT = frozenset(("user_id", "session_id", "request_id", CODE))
"""Texts that may look like numbers; of others, those that do are doubtful."""
_LOSS = {"loss_count": "count", "loss_reason": "reason"}
"""Members of a log.lost, by the columns that they have in the table."""
_TEXT_OF_OTHERS = r"^(?:[{\[]|-?[0-9.]+(?:[eE][-+]?[0-9]+)?$|true$|false$)"
"""What a number, an object, an array or a boolean looks like that was read as text."""
_PLAIN_AMOUNT = r"^-?[0-9]{1,3}\.[0-9]{1,12}$"
"""Of so many digits, a double has lost none."""
_AMOUNT = "TRY_CAST(CAST(total_cost AS VARCHAR) AS DECIMAL(18, 12))"
_FINER = "TRY_CAST(CAST(total_cost AS VARCHAR) AS DECIMAL(18, 13))"
_Item = TypeVar("_Item")
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
        self._names = ("seq", *rows.names, *rows.in_line, *rows.loss)
        self._read_names = tuple(name for name in rows.names if name != PICO)
        self._kept = (*rows.in_line, *(_LOSS[name] for name in rows.loss))
        columns = ", ".join(f"{name} {_type(name)}" for name in self._names)
        duck.execute(f"CREATE TABLE audit_line ({columns})")
        self._insert = self._insert_statement()

    def load(self, pages: Sequence[Page]) -> None:
        """Read *pages*: what DuckDB can, and then what is left."""
        ours = {number for number, page in enumerate(pages) if page.facts_only}
        whole = [(number, page) for number, page in enumerate(pages) if not page.facts_only]
        archived = [each for each in whole if each[1].source.segment.archived]
        plain = [each for each in whole if not each[1].source.segment.archived]
        for some in _in_groups([(n, page.source.segment.path) for n, page in plain], _TOGETHER):
            ours |= self._read(dict(some))
        with closing(self._inflated(archived)) as inflated:
            for paths in inflated:
                ours |= self._read(paths)
                for path in paths.values():
                    path.unlink()
        if self._has_twins() or self._read_ourselves([pages[number] for number in sorted(ours)]):
            self._duck.execute("DELETE FROM audit_line")  # which of two lines counts is for us to say
            self._read_ourselves(pages)

    def _inflated(self, archived: Sequence[tuple[int, Page]]) -> Generator[dict[int, Path]]:
        """Yield archives decompressed, by their numbers; the next are being made meanwhile."""
        with ThreadPoolExecutor(max_workers=_INFLATED) as pool:
            ready: deque[tuple[int, Future[Path]]] = deque()
            for number, page in archived:
                ready.append((number, pool.submit(self._inflate, page, number)))
                if len(ready) == 2 * _INFLATED:
                    yield {n: path.result() for n, path in (ready.popleft() for _ in range(_INFLATED))}
            for some in _in_groups(tuple(ready), _INFLATED):
                yield {n: path.result() for n, path in some}

    def _inflate(self, page: Page, number: int) -> Path:
        path = self._folder / f"{number}.jsonl"
        with open(path, "wb") as file:
            file.writelines(blocks_of(page.source, self._problems))
        return path

    def _read(self, paths: Mapping[int, Path]) -> set[int]:
        """Read files into the table; return the numbers of those that are left to us."""
        import duckdb

        try:
            self._duck.execute(self._insert, [[_literal(str(path)) for path in paths.values()]])
        except (duckdb.InvalidInputException, duckdb.IOException):  # doubtful, too long a line, gone
            if len(paths) == 1:
                return set(paths)
            return {left for number, path in paths.items() for left in self._read({number: path})}
        return set()

    def _insert_statement(self) -> str:
        kinds = {
            name: "JSON" if _is_looked_at(name) else "VARCHAR"
            for name in (*self._read_names, *self._rows.in_line)
        }
        kinds |= {"seq": "JSON", "log": "VARCHAR", "leaf": "VARCHAR"}
        kinds |= dict.fromkeys(("id", "event_type", "timestamp"), "VARCHAR")
        kinds |= {_LOSS[name]: "JSON" for name in self._rows.loss}
        values = ", ".join(map(_value, self._names))
        return (
            f"INSERT INTO audit_line SELECT {values} "
            f"FROM read_json(?, format='newline_delimited', columns={_struct(kinds)}, ignore_errors=true, "
            f"maximum_object_size={_LINE_LIMIT}, compression='uncompressed') "
            f"WHERE CASE WHEN {' OR '.join(self._doubts())} THEN error('doubtful') "
            "ELSE id IS NOT NULL END"
        )

    def _doubts(self) -> list[str]:
        """Return conditions of which one holds for each doubtful line."""
        seq = "NOT regexp_full_match(CAST(seq AS VARCHAR), '[0-9]{1,18}')"
        stub = "NOT regexp_full_match(log || ' ' || leaf, '[0-9a-f]{16} [0-9a-f]{64}') IS TRUE"
        return [
            f"seq IS NULL OR {seq}",
            "(leaf IS NULL AND (id IS NULL OR event_type IS NULL OR timestamp IS NULL))",
            f"(leaf IS NOT NULL AND ({stub} OR id IS NOT NULL))",
            *(f"({name} IS NOT NULL AND ({_doubt(name)}))" for name in self._read_names),
        ]

    def _has_twins(self) -> bool:
        found = self._duck.execute("SELECT COUNT(*), COUNT(DISTINCT seq) FROM audit_line").fetchone()
        return bool(found[0] != found[1])

    def _read_ourselves(self, pages: Sequence[Page]) -> bool:
        """Read *pages* as they are read for SQLite, and hand rows over.

        Return whether a line has the seq of one in another file; it is left out.
        """
        members = {_LOSS.get(name, name): "JSON" if name in _LOSS else _type(name) for name in self._names}
        values = ", ".join(_value(name) if name in _LOSS else name for name in self._names)
        insert = (
            f"INSERT INTO audit_line SELECT {values} "
            f"FROM read_json(?, format='newline_delimited', columns={_struct(members)}, "
            f"maximum_object_size={_ROW_LIMIT}, compression='uncompressed') "
            "WHERE seq NOT IN (SELECT seq FROM audit_line)"
        )
        path = self._folder / "rows.jsonl"
        twins = 0
        for page in pages:
            self._problems.forget([page.name])
            seen: set[int] = set()
            with open(path, "w", encoding="ascii") as file:
                for row in self._rows.of(page):
                    if row[0] in seen:
                        self._problems.bad(page.name)
                    else:
                        seen.add(row[0])
                        file.write(self._text_of(row))
            (inserted,) = self._duck.execute(insert, [_literal(str(path))]).fetchone()
            self._problems.bad(page.name, len(seen) - inserted)
            twins += len(seen) - inserted
            path.unlink()
        return twins > 0

    def _text_of(self, row: Row) -> str:
        """Return a row as a line of JSON."""
        seq, line, *values = row
        members = {
            name: value for name, value in zip(self._rows.names, values, strict=True) if value is not None
        }
        kept = json.loads(line)
        members |= {name: kept[name] for name in self._kept if name in kept}
        return json.dumps({"seq": seq, **members}, separators=(",", ":")) + "\n"


def _is_looked_at(name: str) -> bool:
    """Return whether a member is read as JSON, so that it can be seen what it was."""
    return name not in TEXTS or name in _FREE_TEXT


def _doubt(name: str) -> str:
    """Return the condition that the member *name*, which is not null, is doubtful."""
    text = f"CAST({name} AS VARCHAR)"
    if name == "total_cost":
        is_exact = f"abs({_AMOUNT}) < 1000 AND {_AMOUNT} = {_FINER} AND {text} NOT LIKE '\"%'"
        return f"CASE WHEN NOT regexp_matches({text}, '{_PLAIN_AMOUNT}') THEN ({is_exact}) IS NOT TRUE END"
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
    """Return what stands in the column *name* of a line that is not doubtful."""
    if name in _LOSS:
        member = _LOSS[name]
        value = (
            f"TRY_CAST(CAST({member} AS VARCHAR) AS BIGINT)" if name == "loss_count" else f"{member} ->> '$'"
        )
        return f"CASE WHEN event_type = 'log.lost' THEN {value} END"
    if name == PICO:  # rounded, the product is exact: an amount of at most 15 digits is not doubtful
        return "TRY_CAST(round(TRY_CAST(CAST(total_cost AS VARCHAR) AS DOUBLE) * 1e12) AS BIGINT)"
    text = f"CAST({name} AS VARCHAR)"
    if name in REALS:
        return f"TRY_CAST({text} AS DOUBLE)"
    if name == "seq" or name in INTEGERS:
        return f"TRY_CAST({text} AS BIGINT)"
    if name in FLAGS:
        return f"CASE {text} WHEN 'true' THEN 1 WHEN 'false' THEN 0 END"
    if name in IN_THE_LINE:
        return f"CASE WHEN {text} <> 'null' THEN {name} END"
    return f"{name} ->> '$'" if name in _FREE_TEXT else name


def _type(name: str) -> str:
    if name in IN_THE_LINE:
        return "JSON"
    if name in ("seq", "loss_count", PICO) or name in INTEGERS or name in FLAGS:
        return "BIGINT"
    return "DOUBLE" if name in REALS else "VARCHAR"


def _struct(kinds: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in kinds.items()) + "}"


def _literal(path: str) -> str:
    """Return *path* for DuckDB, which takes it for a pattern."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)


def _in_groups(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
