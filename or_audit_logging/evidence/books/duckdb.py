"""Questions answered by DuckDB: a folder's lines read by several threads into a table in memory.

DuckDB reads JSON fast and is lenient: it takes "5" for 5, drops digits of long numbers, has no halves of
surrogate pairs, and neither checks an archive nor says which line is none. So archives are decompressed and
checked by us; and a file with one line that DuckDB might see otherwise than `columns` does is read by us,
and handed to it as rows. Once all is read, DuckDB is locked: no files, no network, no extensions.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from or_audit_logging.errors import ConfigError, SQLError
from or_audit_logging.evidence.books.opened import Answer
from or_audit_logging.evidence.books.pages import Page, Problems, Rows, blocks_of
from or_audit_logging.evidence.books.period import Period
from or_audit_logging.store.columns import CODE, COLUMNS, FLAGS, IN_THE_LINE, INTEGERS, PICO, REALS, TEXTS
from or_audit_logging.store.schema import FILLED, MONEY, VIEW_COLUMNS, is_call

_MEMORY = "200MB"
_TOGETHER = 4
"""So many files are read at the same time."""
_FREE_TEXT = frozenset(("user_id", "session_id", "request_id", CODE))
"""Texts that may look like numbers; others that do are looked at by us."""
_LOSS = ("count", "reason")
_MOST_WHOLE = 1000
"""Below so many USD, a double has all digits of an amount down to 1e-12."""

DIALECT = {
    "latency_us": "CAST(floor(latency_ms * 1000 + 0.5) AS BIGINT)",
    "ttft_us": "CAST(floor(ttft_ms * 1000 + 0.5) AS BIGINT)",
    "micro": "total_cost_pico // 1000000",
    "rest": "total_cost_pico % 1000000",
    "feature": "CASE json_type(metadata, '$.feature') WHEN 'VARCHAR' THEN metadata ->> '$.feature' END",
    "lost_count": "loss_count",
    "lost_reason": "loss_reason",
}


class DuckDBBooks:
    """A locked connection to a database in memory."""

    engine = "duckdb"
    dialect: Mapping[str, str] = DIALECT

    def __init__(self, duck: Any, problems: Problems, *, owned: contextlib.ExitStack) -> None:
        self.problems = problems
        self._duck = duck
        self._owned = owned

    def __enter__(self) -> DuckDBBooks:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it, and remove what was made for it."""
        self._owned.close()

    def ask(
        self,
        sql: str,
        values: Mapping[str, object] | None = None,
        *,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """Return the answer to one statement that reads; raises `SQLError`."""
        import duckdb

        timer = None if timeout is None else threading.Timer(timeout, self._duck.interrupt)
        try:
            statements = self._duck.extract_statements(sql)
            if len(statements) != 1 or statements[0].type not in (
                duckdb.StatementType.SELECT,
                duckdb.StatementType.EXPLAIN,
            ):
                raise SQLError("give one statement that reads, such as SELECT status FROM audit_log")
            given = values or {}
            used = {name: given[name] for name in statements[0].named_parameters if name in given}
            if timer is not None:
                timer.start()
            found = self._duck.execute(statements[0], used)
            columns = tuple(str(column[0]) for column in found.description)
            if limit is None:
                return Answer(columns, found.fetchall())
            rows = found.fetchmany(limit + 1)
            return Answer(columns, rows[:limit], has_more=len(rows) > limit)
        except duckdb.InterruptException as error:
            raise SQLError(
                f"the answer took longer than {timeout:g} s; raise --timeout, or ask for less"
            ) from error
        except (duckdb.Error, ImportError) as error:
            raise SQLError(f"DuckDB says: {error}") from error
        finally:
            if timer is not None:
                timer.cancel()

    def keep(self, sql: str, values: Mapping[str, object]) -> None:
        """Run a statement of ours that makes a temporary table."""
        self._duck.execute(sql, dict(values))


def load(pages: Sequence[Page], columns: Collection[str], problems: Problems, period: Period) -> DuckDBBooks:
    """Return the lines of *pages* in a database in memory; raises `ConfigError` where there is no room."""
    import duckdb

    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="or-audit-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        duck = duckdb.connect(
            ":memory:",
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "temp_directory": str(folder / "spill"),
                "preserve_insertion_order": "false",
                "memory_limit": _MEMORY,
            },
        )
        stack.callback(duck.close)
        try:
            duck.execute("SET TimeZone = 'UTC'")
            _Loading(duck, folder, Rows(columns, problems), problems).load(pages)
            for statement in _finish(period):
                duck.execute(statement)
        except (duckdb.Error, OSError) as error:
            raise ConfigError(f"the log cannot be loaded into DuckDB: {error}") from error
        for setting in ("enable_external_access = false", "lock_configuration = true"):
            duck.execute(f"SET {setting}")
        return DuckDBBooks(duck, problems, owned=stack.pop_all())


class _Loading:
    """Reads pages into the table `audit_line`."""

    def __init__(self, duck: Any, folder: Path, rows: Rows, problems: Problems) -> None:
        self._duck = duck
        self._folder = folder
        self._rows = rows
        self._problems = problems
        self._names = tuple(name for name in rows.names if name != PICO)
        self._in_line = rows.in_line
        types = {name: _type(name) for name in (*COLUMNS, *IN_THE_LINE)}
        members = ", ".join(f"{name} {kind}" for name, kind in types.items())
        duck.execute(
            f"CREATE TABLE audit_line (seq BIGINT, loss_count BIGINT, loss_reason VARCHAR, {members}, "
            "page INTEGER)"
        )

    def load(self, pages: Sequence[Page]) -> None:
        whole = [number for number, page in enumerate(pages) if not page.facts_only]
        ours = [number for number, page in enumerate(pages) if page.facts_only]
        plain = [number for number in whole if not pages[number].source.segment.archived]
        archived = [number for number in whole if pages[number].source.segment.archived]
        with ThreadPoolExecutor(max_workers=2) as pool:
            for some in _in_groups(archived, _TOGETHER // 2):
                paths = list(pool.map(lambda number: self._inflated(pages[number], number), some))
                ours += self._read(dict(zip(some, paths, strict=True)))
                for path in paths:
                    path.unlink()
        for some in _in_groups(plain, _TOGETHER):
            ours += self._read({number: pages[number].source.segment.path for number in some})
        if self._has_twins():
            self._duck.execute("DELETE FROM audit_line")
            ours = list(range(len(pages)))
        self._read_ourselves([(number, pages[number]) for number in sorted(ours)])

    def _inflated(self, page: Page, number: int) -> Path:
        path = self._folder / f"{number}.jsonl"
        with open(path, "wb") as file:
            for block in blocks_of(page.source, self._problems):
                file.write(block)
        return path

    def _read(self, paths: Mapping[int, Path]) -> list[int]:
        """Read files into the table, except those that DuckDB may see otherwise; return the latter's numbers."""
        given = {number: path for number, path in paths.items() if os.path.exists(path)}
        self._duck.execute("DROP TABLE IF EXISTS arrived")
        ours = [number for number in paths if number not in given]
        if not given:
            return ours
        self._duck.execute(
            f"CREATE TEMP TABLE arrived AS SELECT {self._taken()}, "
            f"{' OR '.join(self._doubts())} AS is_doubtful, filename "
            f"FROM read_json(?, format='newline_delimited', columns={self._members()}, ignore_errors=true, "
            "maximum_object_size=1048577, compression='uncompressed', filename=true)",
            [[_literal(path) for path in given.values()]],
        )
        doubtful = {
            name
            for (name,) in self._duck.execute(
                "SELECT DISTINCT filename FROM arrived WHERE is_doubtful IS NOT FALSE"
            ).fetchall()
        }
        by_name = {str(path): number for number, path in given.items()}
        ours += [by_name[name] for name in doubtful]
        names = ("seq", "loss_count", "loss_reason", *self._rows.names, *self._in_line)
        for name, number in by_name.items():
            if name not in doubtful:
                self._duck.execute(
                    f"INSERT INTO audit_line ({', '.join(names)}, page) SELECT {', '.join(names)}, ? "
                    "FROM arrived WHERE filename = ? AND id IS NOT NULL",
                    [number, name],
                )
        self._duck.execute("DROP TABLE arrived")
        return ours

    def _members(self) -> str:
        """Return the members that are read, and as what: numbers as JSON, to see what they were."""
        kinds = {name: "JSON" if _is_looked_at(name) else "VARCHAR" for name in (*self._names, *self._in_line)}
        kinds |= {"seq": "JSON", "count": "JSON", "reason": "VARCHAR", "leaf": "VARCHAR", "id": "VARCHAR"}
        return "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in kinds.items()) + "}"

    def _taken(self) -> str:
        taken = [
            "TRY_CAST(CAST(seq AS VARCHAR) AS BIGINT) AS seq",
            "CASE WHEN event_type = 'log.lost' THEN TRY_CAST(CAST(count AS VARCHAR) AS BIGINT) END AS loss_count",
            "CASE WHEN event_type = 'log.lost' THEN reason END AS loss_reason",
        ]
        for name in self._names:
            taken.append(f"{_value(name)} AS {name}")
        if PICO in self._rows.names:
            taken.append(f"CAST({_AMOUNT} * 1000000000000 AS BIGINT) AS {PICO}")
        for name in self._in_line:
            taken.append(f"CASE WHEN CAST({name} AS VARCHAR) <> 'null' THEN {name} END AS {name}")
        return ", ".join(taken)

    def _doubts(self) -> list[str]:
        """Return conditions of which one holds for each line that `columns` may see otherwise."""
        doubts = [
            "(id IS NULL AND leaf IS NULL)",
            "(id IS NOT NULL AND (seq IS NULL OR NOT regexp_full_match(CAST(seq AS VARCHAR), '[0-9]{1,18}')))",
        ]
        for name in self._names:
            text = f"CAST({name} AS VARCHAR)"
            if name in REALS:
                if name == "total_cost":
                    doubts.append(
                        f"(total_cost IS NOT NULL AND ({_AMOUNT} IS NULL OR {_AMOUNT} <> {_FINER} "
                        f"OR abs({_AMOUNT}) >= {_MOST_WHOLE} OR {text} LIKE '\"%'))"
                    )
                else:
                    doubts.append(f"({name} IS NOT NULL AND NOT regexp_full_match({text}, '-?[0-9.]{{1,24}}'))")
            elif name in INTEGERS:
                doubts.append(f"({name} IS NOT NULL AND NOT regexp_full_match({text}, '-?[0-9]{{1,15}}'))")
            elif name in FLAGS:
                doubts.append(f"({name} IS NOT NULL AND {text} NOT IN ('true', 'false'))")
            elif name in _FREE_TEXT:
                number = f" AND NOT regexp_full_match({text}, '-?[0-9]{{1,15}}')" if name == CODE else ""
                doubts.append(f"({name} IS NOT NULL AND {text} NOT LIKE '\"%'{number})")
            else:
                doubts.append(
                    f"({name} IS NOT NULL AND ({name} IN ('true', 'false') OR {name}[1] IN ('{{', '[') "
                    f"OR TRY_CAST({name} AS DOUBLE) IS NOT NULL))"
                )
        return doubts

    def _has_twins(self) -> bool:
        found = self._duck.execute("SELECT COUNT(*), COUNT(DISTINCT seq) FROM audit_line").fetchone()
        return bool(found[0] != found[1])

    def _read_ourselves(self, pages: Sequence[tuple[int, Page]]) -> None:
        """Read *pages* as SQLite's are read, and hand over rows."""
        seen: set[int] | None = {seq for (seq,) in self._seqs()} if pages else None
        names = ("seq", *self._rows.names, *self._in_line)
        for number, page in pages:
            path = self._folder / "rows.jsonl"
            with open(path, "w", encoding="ascii") as file:
                for seq, line, *values in self._rows.of(page):
                    if seen is not None and seq in seen:
                        self._problems.bad(page.name)
                        continue
                    if seen is not None:
                        seen.add(seq)
                    file.write(_row(names, (seq, *values), line))
            kinds = {"seq": "BIGINT", "loss_count": "JSON", "loss_reason": "JSON"}
            kinds |= {name: "JSON" if name in IN_THE_LINE else _type(name) for name in names[1:]}
            members = "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in kinds.items()) + "}"
            self._duck.execute(
                f"INSERT INTO audit_line ({', '.join(names)}, loss_count, loss_reason, page) "
                f"SELECT {', '.join(names)}, TRY_CAST(CAST(loss_count AS VARCHAR) AS BIGINT), "
                "loss_reason ->> '$', ? FROM read_json(?, format='newline_delimited', "
                f"columns={members}, maximum_object_size=4194304)",
                [number, _literal(path)],
            )
            path.unlink()

    def _seqs(self) -> Iterator[tuple[int]]:
        found = self._duck.execute("SELECT seq FROM audit_line")
        while rows := found.fetchmany(10_000):
            yield from rows


_AMOUNT = "TRY_CAST(CAST(total_cost AS VARCHAR) AS DECIMAL(18, 12))"
_FINER = "TRY_CAST(CAST(total_cost AS VARCHAR) AS DECIMAL(18, 13))"


def _is_looked_at(name: str) -> bool:
    return name not in TEXTS or name in _FREE_TEXT


def _value(name: str) -> str:
    text = f"CAST({name} AS VARCHAR)"
    if name in REALS:
        return f"TRY_CAST({text} AS DOUBLE)"
    if name in INTEGERS:
        return f"TRY_CAST({text} AS BIGINT)"
    if name in FLAGS:
        return f"CASE {text} WHEN 'true' THEN 1 WHEN 'false' THEN 0 END"
    if name in _FREE_TEXT:
        return f"{name} ->> '$'"
    return name


def _type(name: str) -> str:
    if name in IN_THE_LINE:
        return "JSON"
    if name in INTEGERS or name in FLAGS or name == PICO:
        return "BIGINT"
    return "DOUBLE" if name in REALS else "VARCHAR"


def _row(names: tuple[str, ...], values: tuple[Any, ...], line: str) -> str:
    members = {name: value for name, value in zip(names, values, strict=False) if value is not None}
    kept = json.loads(line)
    members |= {name: kept[name] for name in names if name in kept}
    members |= {f"loss_{name}": kept[name] for name in _LOSS if name in kept}
    return json.dumps(members, separators=(",", ":")) + "\n"


def _literal(path: Path) -> str:
    """Return *path* for DuckDB, which takes it for a pattern."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(path))


def _in_groups(numbers: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


def _finish(period: Period) -> list[str]:
    """Return the statements that make the view `audit_log`, with the meaning of the store's."""
    ours = "total_cost_pico"
    within = ""
    if period != Period():
        within = f" AND c.timestamp >= '{period.first_text}' AND c.timestamp <= '{period.last_text}'"
    return [
        "CREATE TABLE late AS SELECT * FROM audit_line "
        "WHERE event_type = 'generation' AND generation_id IS NOT NULL QUALIFY row_number() OVER "
        "(PARTITION BY generation_id ORDER BY total_cost IS NULL, seq DESC) = 1",
        "CREATE TABLE repeats AS SELECT c.seq, min(c.seq) OVER same AS first_seq, "
        f"count(coalesce(c.{ours}, g.{ours})) OVER (same ORDER BY c.seq "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) > 0 AS is_counted "
        "FROM audit_line AS c LEFT JOIN late AS g ON g.generation_id = c.generation_id "
        f"WHERE {is_call('c')} AND c.generation_id IN (SELECT c.generation_id FROM audit_line AS c "
        f"WHERE {is_call('c')} GROUP BY c.generation_id HAVING count(*) > 1) "
        "WINDOW same AS (PARTITION BY c.generation_id)",
        f"CREATE VIEW audit_log AS SELECT {', '.join(map(_view_column, VIEW_COLUMNS))} "
        "FROM audit_line AS c LEFT JOIN late AS g ON g.generation_id = c.generation_id "
        f"LEFT JOIN repeats AS r ON r.seq = c.seq WHERE {is_call('c')}{within}",
    ]


def _view_column(name: str) -> str:
    if name == "repeat_of":
        return "CASE WHEN r.first_seq < c.seq THEN r.first_seq END AS repeat_of"
    if name in MONEY:
        source = PICO if name == "total_cost" else name
        cost = f"coalesce(c.{source}, g.{source})"
        counted = f"CASE WHEN {cost} IS NOT NULL AND r.is_counted THEN 0 ELSE {cost} END"
        if name == "total_cost":
            scale = "CAST(0.000000000001 AS DECIMAL(13, 12))"
            counted = f"CAST(CAST({counted} AS DECIMAL(19, 0)) * {scale} AS DECIMAL(38, 12))"
        elif name != PICO:
            counted = f"CAST({counted} AS DECIMAL(38, 12))"
        return f"{counted} AS {name}"
    if name == "cost_source":
        return "CASE WHEN c.total_cost IS NULL THEN g.cost_source ELSE c.cost_source END AS cost_source"
    if name in FILLED:
        return f"coalesce(c.{name}, g.{name}) AS {name}"
    return f"c.{name} AS {name}"
