"""Take a record out of a log that cannot be edited: its line gives way to a stub that keeps its hash.

    redact_record("audit_logs", [41, 57], actor="dpo@example.com", reason="erasure request 7")

The chain, the tree, the anchors and the proofs of all other records go on with that hash, so they still hold
(FORMAT 4). What is done is said first: a log.redact for each line, sealed and under a checkpoint. After an
interruption behind that, a second run finishes and does not say it again; until then verification notes
`redact-open`.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from or_audit_logging.errors import ConfigError, FormatError, RetentionError
from or_audit_logging.evidence.arguments import PathText, find_log
from or_audit_logging.evidence.reading import LogReader, layout_of
from or_audit_logging.evidence.retention.history import History, history_of
from or_audit_logging.evidence.retention.locking import exclusive
from or_audit_logging.evidence.retention.rewriting import Rewrite, remove_unfinished
from or_audit_logging.evidence.retention.targets import Target, check_holds, find
from or_audit_logging.evidence.verify import verify
from or_audit_logging.keys import KeyRing, KeySources
from or_audit_logging.log.handing_over import hand_over
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.log.writer import LogWriter
from or_audit_logging.sealing.line import SealedLine
from or_audit_logging.signing_keys import SigningKeys

_LONGEST_TEXT = 1_000
"""Characters of an actor or a reason: a control line is never cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """What came of it, by seq: `redacted` now (with *dry_run*: to be redacted), and `already` before.

    `certificates` has the seq of the log.redact for each line of `redacted` that has one; `segments` are the
    files that were changed. `unsigned` is the log's verifier key where the checkpoint lacks its signature.
    """

    redacted: tuple[int, ...] = ()
    already: tuple[int, ...] = ()
    segments: tuple[str, ...] = ()
    certificates: dict[int, int] = field(default_factory=dict)
    unsigned: str | None = None
    dry_run: bool = False

    def to_dict(self) -> dict[str, object]:
        """Return the result as plain values, ready for `json.dumps`."""
        return asdict(self) | {"certificates": {str(seq): by for seq, by in self.certificates.items()}}


def redact_record(
    path: PathText,
    seq: int | Iterable[int],
    *,
    reason: str,
    actor: str | None = None,
    key: KeySources | KeyRing = None,
    signing_key: KeySources = None,
    dry_run: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Redacted:
    """Replace the records *seq* (one number or several) of the log in the folder *path* by their stubs.

    *reason*, and *actor*, who does it (default: the login name), stand in the log as they are given. *key*
    and *signing_key*: the log's own, as its handlers have them. *dry_run*: only find out whether it can be
    done. *progress* is called with the number of lines verified so far.

    The whole log is verified before. Either all lines are replaced or, where one of them must not be, none:
    `LegalHoldError` where a hold may cover it; `RetentionError` where it is a line of the log's own, stands
    in the segment that is still open or is not there, where the log fails verification or is a store, and
    where another run is under way. A line that is redacted already is no error. Raises `ConfigError` for a
    wrong argument, `OSError`, `AuditWriteError`.
    """
    wanted = _numbers(seq)
    said = {"actor": _text(login_name() if actor is None else actor), "reason": _text(reason)}
    if find_log(path).store is not None:
        raise RetentionError(
            "a record is redacted in its log's folder; a store that was imported from there follows with the "
            "next 'or-audit import'"
        )
    layout = layout_of(path)
    ring = key if isinstance(key, KeyRing) else KeyRing.from_sources(key)
    signing = SigningKeys.from_sources(signing_key)
    with exclusive(layout.folder):
        remove_unfinished(layout)
        _check_log(layout, ring, progress)
        history = _history(layout)
        found = find(layout, wanted, ring, history)
        check_holds(found.targets, history)
        certificates = dict(_certificates(found.targets, history))
        unsigned = None
        if found.targets and not dry_run:
            with _rewritten(found.targets) as rewrites:
                open_targets = [target for target in found.targets if target.seq not in certificates]
                if open_targets:
                    first, unsigned = _say(layout, open_targets, said, ring, signing)
                    certificates |= {target.seq: first + at for at, target in enumerate(open_targets)}
                for rewrite in rewrites:
                    rewrite.finish()
    return Redacted(
        redacted=tuple(target.seq for target in found.targets),
        already=found.already,
        segments=tuple(dict.fromkeys(target.source.name for target in found.targets)),
        certificates=certificates,
        unsigned=unsigned,
        dry_run=dry_run,
    )


def login_name() -> str:
    """Return the name under which this process runs, for an act that names nobody else."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # an account without a name, as in some containers
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"


def _check_log(layout: LogLayout, ring: KeyRing, progress: Callable[[int], None] | None) -> None:
    report = verify(layout.folder, key=ring, progress=progress)
    if report.exit_code in (1, 2):
        why = report.findings[0].message if report.findings else "; ".join(report.reasons)
        raise RetentionError(
            f"the log fails verification ({report.verdict}: {why}), so nothing was touched; "
            "run 'or-audit verify'"
        )


def _history(layout: LogLayout) -> History:
    try:
        return history_of(LogReader(layout))
    except FormatError as error:
        raise RetentionError(f"{error}; nothing was redacted") from error


def _certificates(targets: Sequence[Target], history: History) -> Iterator[tuple[int, int]]:
    """Yield for each line that a log.redact names already: its seq, and that of the log.redact."""
    for target in targets:
        act = history.redactions.get(target.seq)
        if act is None:
            continue
        if act.members["leaf"] != target.leaf:
            raise RetentionError(
                f"the log.redact at seq {act.seq} names another line {target.seq} than the log has; "
                "nothing was redacted"
            )
        yield target.seq, act.seq


@contextmanager
def _rewritten(targets: Sequence[Target]) -> Iterator[list[Rewrite]]:
    """Yield the segments in their new form, not yet in their place; what is not used goes again.

    They are made before anything is said: a full disk leaves the log as it was.
    """
    by_segment: dict[str, dict[int, SealedLine]] = {}
    sources = {}
    for target in targets:
        sources[target.source.name] = target.source
        by_segment.setdefault(target.source.name, {})[target.offset] = target.line
    rewrites: list[Rewrite] = []
    try:
        for name, lines in by_segment.items():
            rewrites.append(Rewrite.prepare(sources[name], lines))
        yield rewrites
    finally:
        for rewrite in rewrites:
            rewrite.discard()


def _say(
    layout: LogLayout,
    targets: Sequence[Target],
    said: dict[str, str],
    ring: KeyRing,
    signing: SigningKeys | None,
) -> tuple[int, str | None]:
    """Write the log.redact lines; return the first one's seq, and the key that their checkpoint lacks."""
    writer = LogWriter(layout, ring, signing=signing)
    try:
        unsigned = writer.leaves_unsigned
        first = writer.act(
            *(("log.redact", {"target": target.seq, "leaf": target.leaf} | said) for target in targets)
        )
        hand_over(writer.checkpoints.take())
    finally:
        writer.stop()
    return first, unsigned


def _numbers(seq: int | Iterable[int]) -> set[int]:
    try:
        wanted = {seq} if isinstance(seq, int) else set(seq)
    except TypeError:
        wanted = set()
    if not wanted or any(type(one) is not int or one < 0 for one in wanted):
        raise ConfigError("seq is the number of a line, or several: whole numbers from 0 on")
    return wanted


def _text(text: str) -> str:
    if type(text) is not str or not text.strip() or len(text) > _LONGEST_TEXT:
        raise ConfigError(f"actor and reason are texts of 1 to {_LONGEST_TEXT:,} characters")
    return text
