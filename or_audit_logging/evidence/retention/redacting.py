"""Take a record out of a log that cannot be edited: its line gives way to a stub that keeps its hash.

    redact_record("audit_logs", [41, 57], actor="dpo@example.com", reason="erasure request 7")

The chain, the tree, the anchors and the proofs of all other records go on with that hash, so they still hold
(FORMAT 4). What is done is said first: a log.redact for each line, sealed and under a checkpoint. After an
interruption behind that, a second run finishes and does not say it again; until then verification notes
`redact-open`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace

from or_audit_logging.errors import ConfigError, RetentionError
from or_audit_logging.evidence.arguments import PathText
from or_audit_logging.evidence.retention.history import History
from or_audit_logging.evidence.retention.opened import actor_of, opened, text_of
from or_audit_logging.evidence.retention.rewriting import Rewrite, remove_unfinished
from or_audit_logging.evidence.retention.targets import Target, check_holds, find
from or_audit_logging.keys import KeyRing, KeySources
from or_audit_logging.sealing.line import SealedLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """What came of it, by seq: `redacted` now, and `already` before.

    `done` is False for what is only planned. `certificates` has the seq of the log.redact for each line of
    `redacted` that has one; `segments` are the files that were changed. `unsigned` is the log's verifier key
    where the checkpoint lacks its signature.
    """

    redacted: tuple[int, ...] = ()
    already: tuple[int, ...] = ()
    segments: tuple[str, ...] = ()
    certificates: dict[int, int] = field(default_factory=dict)
    unsigned: str | None = None
    done: bool = True

    def to_dict(self) -> dict[str, object]:
        """Return the result as plain values, ready for `json.dumps`."""
        return asdict(self) | {"certificates": {str(seq): by for seq, by in self.certificates.items()}}


def redact_record(
    path: PathText,
    seq: int | Iterable[int],
    *,
    reason: str,
    actor: str | None = None,
    key: KeySources = None,
    signing_key: KeySources = None,
    dry_run: bool = False,
    confirm: Callable[[Redacted], bool] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Redacted:
    """Replace the records *seq* (one number or several) of the log in the folder *path* by their stubs.

    *reason*, and *actor*, who does it (default: the login name), stand in the log as they are given. *key*
    and *signing_key*: the log's own, as its handlers have them. *dry_run*: only find out whether it can be
    done. *progress* is called with the number of lines verified so far.

    The whole log is verified before. Either all lines are replaced or, where one of them must not be, none:
    `LegalHoldError` where a hold may cover it; `RetentionError` where it is a line of the log's own, stands
    in the segment that is still open or is not there, where the log fails verification, and where another
    run is under way. A line that is redacted already is no error. Raises `ConfigError` for a wrong argument
    and for a store, `OSError`, `AuditWriteError`.
    """
    wanted = _numbers(seq)
    if type(reason) is not str or not reason.strip():
        raise ConfigError("a redaction needs a reason, which stands in the log")
    said = {"actor": actor_of(actor), "reason": text_of(reason, "reason")}
    ring = KeyRing.from_sources(key)
    with opened(path, key=key, signing_key=signing_key, progress=progress) as log:
        remove_unfinished(log.layout)
        found = find(log, wanted, ring)
        check_holds(found.targets)
        certificates = dict(_certificates(found.targets, log.history))
        planned = Redacted(
            redacted=tuple(target.seq for target in found.targets),
            already=found.already,
            segments=tuple(dict.fromkeys(target.source.name for target in found.targets)),
            certificates=certificates,
            done=not found.targets,
        )
        if planned.done or dry_run or (confirm is not None and not confirm(planned)):
            return planned
        with _rewritten(found.targets) as rewrites:
            unsaid = [target for target in found.targets if target.seq not in certificates]
            if unsaid:
                members = [{"target": target.seq, "leaf": target.leaf, **said} for target in unsaid]
                first = log.act(*(("log.redact", one) for one in members))
                certificates = certificates | {one.seq: first + at for at, one in enumerate(unsaid)}
            for rewrite in rewrites:
                rewrite.finish()
        return replace(planned, certificates=certificates, unsigned=log.unsigned, done=True)


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


def _numbers(seq: int | Iterable[int]) -> set[int]:
    try:
        wanted = {seq} if isinstance(seq, int) else set(seq)
    except TypeError:
        wanted = set()
    if not wanted or any(type(one) is not int or one < 0 for one in wanted):
        raise ConfigError("seq is the number of a line, or several: whole numbers from 0 on")
    return wanted
