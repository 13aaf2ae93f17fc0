"""Questions answered by DuckDB: a folder's lines read by several threads into a table in memory.

DuckDB reads JSON fast and is lenient: it takes "5" for 5, drops digits of long numbers, has no halves of
surrogate pairs, and neither checks an archive nor says which line is none. So archives are decompressed and
checked by us; and a file with one line that DuckDB might see otherwise than `columns` does is read by us,
and handed to it as rows. Once all is read, DuckDB is locked: no files, no network, no extensions.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from or_audit_logging.errors import ConfigError, SQLError
from or_audit_logging.evidence.books.duckdb_loading import load_pages
from or_audit_logging.evidence.books.opened import Answer
from or_audit_logging.evidence.books.pages import Page, Problems, Rows
from or_audit_logging.evidence.books.period import Period
from or_audit_logging.store.columns import PICO
from or_audit_logging.store.schema import FILLED, MONEY, SUMS, VIEW_COLUMNS, is_call

_MEMORY = "200MB"
_ADVICE = "; give each with --param NAME=VALUE"
_PATIENCE = 0.05
"""Seconds between two interrupts of a statement."""

_Found = tuple[tuple[str, ...], Sequence[tuple[Any, ...]]]

DIALECT = {
    "latency_us": "CAST(floor(latency_ms * 1000 + 0.5) AS BIGINT)",
    "ttft_us": "CAST(floor(ttft_ms * 1000 + 0.5) AS BIGINT)",
    "micro": "total_cost_pico // 1000000",
    "rest": "total_cost_pico % 1000000",
    "percentiles": "quantile_disc(latency_us, [0.5, 0.95, 0.99])",
    "feature": "CASE WHEN json_type(metadata, '$.feature') = 'VARCHAR' "
    "AND instr(CAST(metadata AS VARCHAR), '\\u0000') = 0 THEN metadata ->> '$.feature' END",
    "lost_count": "loss_count",
    "lost_reason": "loss_reason",
}


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Raise `KeyboardInterrupt` where a signal ended a statement: DuckDB has a RuntimeError for that."""
    try:
        yield
    except RuntimeError as error:
        if str(error) == "Query interrupted":
            raise KeyboardInterrupt from error
        raise


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

    @_interruptible()
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

        try:
            statements = self._duck.extract_statements(sql)
            if len(statements) != 1 or statements[0].type not in (
                duckdb.StatementType.SELECT,
                duckdb.StatementType.EXPLAIN,
            ):
                raise SQLError("give one statement that reads, such as SELECT status FROM audit_log")
            given = values or {}
            used = {name: given[name] for name in statements[0].named_parameters if name in given}
            columns, rows = self._within(timeout, lambda: self._run(statements[0], used, limit))
        except TimeoutError as error:
            raise SQLError(
                f"the answer took longer than {timeout:g} s; raise --timeout, or ask for less"
            ) from error
        except (duckdb.Error, ImportError) as error:
            said = str(error).partition("\n\n")[0].replace("\n", " ")
            raise SQLError(f"DuckDB says: {said}{_ADVICE if 'not provided' in said else ''}") from error
        return Answer(columns, rows[:limit], has_more=limit is not None and len(rows) > limit)

    def _run(self, statement: Any, values: Mapping[str, object], limit: int | None) -> _Found:
        """Return the names of the columns, and all rows or one more than *limit*.

        A SELECT may begin with a DELETE, and EXPLAIN may do what it explains: not in such a transaction.
        """
        self._duck.execute("BEGIN TRANSACTION READ ONLY")
        try:
            found = self._duck.execute(statement, values)
            columns = tuple(str(column[0]) for column in found.description)
            return columns, found.fetchall() if limit is None else found.fetchmany(limit + 1)
        finally:
            self._duck.execute("ROLLBACK")

    def _within(self, timeout: float | None, run: Callable[[], _Found]) -> _Found:
        """Return what *run* does, in a thread of its own: DuckDB in the main thread may never see a signal.

        Raises `TimeoutError` after *timeout* seconds.
        """
        with ThreadPoolExecutor(max_workers=1) as pool:
            running = pool.submit(run)
            try:
                return running.result(timeout)
            except (TimeoutError, KeyboardInterrupt):
                while not running.done():  # an interrupt before the statement has begun is forgotten
                    self._duck.interrupt()
                    wait([running], _PATIENCE)
                raise

    @_interruptible()
    def keep(self, sql: str, values: Mapping[str, object]) -> None:
        """Run a statement of ours that makes a temporary table."""
        self._duck.execute(sql, dict(values))


@_interruptible()
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
            load_pages(duck, folder, pages, Rows(columns, problems), problems)
            for statement in _finish(period, columns):
                duck.execute(statement)
        except (duckdb.Error, OSError) as error:
            raise ConfigError(f"the log cannot be loaded into DuckDB: {error}") from error
        for setting in ("enable_external_access = false", "lock_configuration = true"):
            duck.execute(f"SET {setting}")
        return DuckDBBooks(duck, problems, owned=stack.pop_all())


def _counted(name: str) -> str:
    """Return an amount that is nothing where a call before this one has it already."""
    cost = _known(name)
    return f"CASE WHEN {cost} IS NOT NULL AND r.is_counted THEN 0 ELSE {cost} END"


def _known(name: str) -> str:
    """Return what is known of a call: what it says, or a later fact, or the sum over all its generations."""
    later = f"CASE WHEN s.seq IS NULL THEN g.{name} ELSE s.{name} END" if name in SUMS else f"g.{name}"
    return f"coalesce(c.{name}, CASE WHEN c.total_cost IS NULL THEN {later} END)"


def _view_column(name: str) -> str:
    if name == "repeat_of":
        return "CASE WHEN r.first_seq < c.seq THEN r.first_seq END AS repeat_of"
    if name == "total_cost":
        exact = f"CAST({_counted(PICO)} AS DECIMAL(19, 0)) * CAST(0.000000000001 AS DECIMAL(13, 12))"
        beyond = f"TRY_CAST({_counted(name)} AS DECIMAL(38, 12))"
        return f"coalesce(CAST({exact} AS DECIMAL(38, 12)), {beyond}) AS {name}"
    if name == PICO:
        return f"{_counted(name)} AS {name}"
    if name in MONEY:
        return f"TRY_CAST({_counted(name)} AS DECIMAL(38, 12)) AS {name}"
    if name == "cost_source":
        return (
            "CASE WHEN c.total_cost IS NOT NULL THEN c.cost_source "
            f"WHEN {_known('total_cost')} IS NOT NULL THEN g.cost_source END AS cost_source"
        )
    if name in SUMS or name in FILLED:
        return f"{_known(name)} AS {name}"
    return f"c.{name} AS {name}"


_LATE_TABLE = """CREATE TABLE late AS SELECT * FROM audit_line
WHERE event_type = 'generation' AND generation_id IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY generation_id ORDER BY total_cost IS NULL, seq DESC) = 1"""
"""The newest fact about each generation, one with a cost where there is one."""

_IDS = "coalesce(nullif(json_extract_string(c.generation_ids, '$[*]'), []), [NULL])"


def _sum(name: str) -> str:
    certain = "total_cost" if name == "upstream_cost" else name
    total = f"sum(l.{name})" if name in MONEY and name != PICO else f"TRY_CAST(sum(l.{name}) AS BIGINT)"
    return f"CASE WHEN count(*) = count(l.{certain}) THEN {total} END AS {name}"


def _sums_table(columns: Collection[str]) -> str:
    """Return the statement for what facts on all generations of a call add up to, where it had no cost."""
    sums = ", ".join(_sum(name) for name in SUMS if name in columns)
    return f"""CREATE TABLE sums AS SELECT e.seq, {sums} FROM (
  SELECT DISTINCT c.seq, unnest({_IDS}) AS generation_id FROM audit_line AS c
  WHERE {is_call("c")} AND c.total_cost IS NULL AND json_type(c.generation_ids) = 'ARRAY') AS e
LEFT JOIN late AS l ON l.generation_id = e.generation_id GROUP BY e.seq"""


_REPEATS_TABLE = f"""CREATE TABLE repeats AS SELECT
  c.seq,
  min(c.seq) OVER (PARTITION BY c.generation_id) AS first_seq,
  count({_known("total_cost")}) OVER (
    PARTITION BY c.generation_id ORDER BY c.seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
  ) > 0 AS is_counted
FROM audit_line AS c LEFT JOIN late AS g ON g.generation_id = c.generation_id
LEFT JOIN sums AS s ON s.seq = c.seq
WHERE {is_call("c")} AND c.generation_id IS NOT NULL AND hash(c.generation_id) IN (
  SELECT hash(c.generation_id) FROM audit_line AS c WHERE {is_call("c")} AND c.generation_id IS NOT NULL
  GROUP BY 1 HAVING count(*) > 1)"""
"""The calls that share a generation: which of them is the first, and whether one before has a cost.

Among them may be some that share a hash only; each of these is the first of its generation. Hashes take a
quarter of the room of the ids.
"""


def _finish(period: Period, columns: Collection[str]) -> list[str]:
    """Return the statements that make the view `audit_log`, with the meaning of the store's.

    It has no columns that were not loaded: to ask for one is an error, and no NULL.
    """
    loaded = [name for name in VIEW_COLUMNS if name in columns or name in ("repeat_of", "seq")]
    view = f"""CREATE VIEW audit_log AS SELECT {", ".join(map(_view_column, loaded))}
FROM audit_line AS c LEFT JOIN late AS g ON g.generation_id = c.generation_id
LEFT JOIN sums AS s ON s.seq = c.seq LEFT JOIN repeats AS r ON r.seq = c.seq WHERE {is_call("c")}"""
    within = ""
    if period != Period():
        within = f" AND c.timestamp >= '{period.first_text}' AND c.timestamp <= '{period.last_text}'"
    return [_LATE_TABLE, _sums_table(columns), _REPEATS_TABLE, f"{view}{within}"]
