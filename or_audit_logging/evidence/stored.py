"""Verify a store: a log's chain as anywhere, and that every column says what the row's sealed line says.

    verify_store(Path("audit.db"), Asked(ring, signers, anchors, pin, oldest=None), observations)

The lines are sealed, the columns are not: whoever can write the file can change one, whatever its triggers
refuse. Questions are answered from the columns, so each is held against its line.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from or_audit_logging.errors import AuditError, FormatError
from or_audit_logging.evidence.bounds import Bounds, missing_lines
from or_audit_logging.evidence.chain import Chain
from or_audit_logging.evidence.export import Asked
from or_audit_logging.evidence.identity import Identity, identity_by
from or_audit_logging.evidence.judgement import (
    anchors_of,
    examine,
    meant,
    note_other_anchors,
    nothing_there,
    report_on,
)
from or_audit_logging.evidence.report import Observations, Place, VerificationReport
from or_audit_logging.evidence.shape import shape_trouble
from or_audit_logging.evidence.unfinished import OpenCalls
from or_audit_logging.sealing.line import (
    FIRST_LINE_STARTS,
    STUB_START,
    SealedLine,
    Stub,
    parse_line,
    parse_stub,
)
from or_audit_logging.store.columns import COLUMNS, ID, Row, Value, columns_of
from or_audit_logging.store.reader import StoreReader

_STRIDE = 50_000
"""So many lines pass between two reports of progress."""
_LOOK_AT = 3
"""So many lines are looked at to say whose log it is."""

Progress = Callable[[int], None]


def verify_store(
    path: Path, asked: Asked, observations: Observations, *, progress: Progress | None = None
) -> VerificationReport:
    """Return what can be said of the log in the store at *path*."""
    try:
        store = StoreReader(path)
    except (OSError, AuditError) as error:
        reason = f"{path} cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)
        return nothing_there(str(path), observations, reason, is_export=True)
    with store:
        return _Stored(store, asked, observations).verify(progress)


def log_in_store(path: Path) -> str | None:
    """Return what the lines in the store at *path* bear; None where there is no sealed line.

    Raises `ConfigError` where it is no store that this version knows, `OSError` and `FormatError`.
    """
    with StoreReader(path) as store:
        identity = _identify(store, None)
    return identity.log if identity is not None else None


def _identify(store: StoreReader, wanted: str | None) -> Identity | None:
    """Return what the first lines say of the log, *wanted* if it is there; None without a sealed line."""
    lines = list(itertools.islice(_sealed_lines(store), _LOOK_AT))
    if not lines:
        return None
    named = Counter(line.log for line in lines)
    log = wanted if wanted is not None and wanted in named else named.most_common(1)[0][0]
    return identity_by(next(line for line in lines if line.log == log), log=log)


def _sealed_lines(store: StoreReader) -> Iterator[SealedLine]:
    for _, raw in store.lines():
        line = _parsed(raw)
        if isinstance(line, SealedLine):
            yield line


class _Stored:
    """One store's log."""

    def __init__(self, store: StoreReader, asked: Asked, observations: Observations) -> None:
        self._store = store
        self._name = store.path.name
        self._asked = asked
        self._observations = observations
        self._calls = OpenCalls()

    def verify(self, progress: Progress | None) -> VerificationReport:
        """Return the report."""
        path, asked, observations = str(self._store.path), self._asked, self._observations
        try:
            identity = _identify(self._store, asked.pin.log)
            altered, damage = self._store.altered(), self._store.damage()
        except FormatError as error:
            return nothing_there(path, observations, str(error), is_export=True)
        if identity is None:
            observations.find(*missing_lines(meant(asked.anchors, asked.pin.log), 0))
            return nothing_there(path, observations, f"there is no sealed line in {path}", is_export=True)
        for name in altered:
            message = f"{name} is not as the store was made: questions to it may be answered wrongly"
            observations.find(Place(self._name).finding("schema", message))
        if damage is not None:  # an index that lacks rows hides them from questions, not from this reading
            message = f"the database contradicts itself ({damage}): questions to it may be answered wrongly"
            observations.find(Place(self._name).finding("schema", message))
        log_id = identity.log_id.hex() if identity.log_id is not None else None
        if self._store.log_id != log_id:
            message = "the store says that it holds another log than its lines are of"
            found = self._store.log_id
            observations.find(Place(self._name).finding("log-id", message, expected=log_id, found=found))
        observations.find(*asked.pin.mismatches(identity))
        usable = anchors_of(identity.log, asked.anchors, origin=identity.origin)
        note_other_anchors(asked.anchors, usable, observations)

        def follow(chain: Chain, _: Bounds, seen: Observations) -> list[str]:
            return self._follow(chain, seen, progress)

        outcome = examine(
            identity,
            asked.ring,
            usable,
            signers=asked.signers,
            sealed=_sealed_lines(self._store),
            start=Place(self._name, 1),
            follow=follow,
        )
        return report_on(
            outcome,
            observations,
            path=path,
            oldest=asked.oldest,
            unfinished=self._calls.count(),
            is_export=True,
        )

    def _follow(self, chain: Chain, observations: Observations, progress: Progress | None) -> list[str]:
        """Take the chain along the store's rows; return why they could not all be read."""
        chain.enter_export(self._name)
        try:
            for number, (seq, raw, columns) in enumerate(self._store.rows(), 1):
                if number > 1 and raw.startswith(FIRST_LINE_STARTS):
                    chain.enter_export(self._name)
                chain.number = number
                line = _parsed(raw)
                if line is None:
                    chain.take_piece(raw + b"\n", shape_trouble(raw))
                else:
                    chain.take(line)
                self._check_columns(raw, line, columns, Place(self._name, number, seq), observations)
                self._calls.take(raw, self._name, number)
                if progress is not None and number % _STRIDE == 0:
                    progress(number)
        except FormatError as error:
            return [str(error)]
        if progress is not None:
            progress(chain.lines)
        return []

    def _check_columns(
        self,
        raw: bytes,
        line: SealedLine | Stub | None,
        columns: Row,
        place: Place,
        observations: Observations,
    ) -> None:
        seq, expected = place.seq or 0, tuple(map(_as_stored, columns_of(raw)))
        if line is not None and line.seq != seq:
            message = "the column seq does not say what the row's sealed line says"
            observations.find(place.finding("column", message, expected=line.seq, found=seq))
        if columns == expected and _types(columns) == _types(expected):
            return
        for name, found, stated in zip(COLUMNS, columns, expected, strict=True):
            if found == stated and type(found) is type(stated):
                continue
            if name == COLUMNS[ID] and found is None and self._store.has_id_before(seq, stated):
                continue  # another record bears the same id: the first has the column
            message = f"the column {name} does not say what the row's sealed line says"
            observations.find(place.finding("column", message))


def _parsed(raw: bytes) -> SealedLine | Stub | None:
    try:
        return parse_stub(raw) if raw.startswith(STUB_START) else parse_line(raw)
    except FormatError:
        return None


def _types(values: Sequence[object]) -> list[type]:
    return list(map(type, values))


def _as_stored(value: Value) -> Value:
    """Return *value* as SQLite hands it back, which has no booleans."""
    return int(value) if type(value) is bool else value
