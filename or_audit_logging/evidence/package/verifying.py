"""Verify a package: is each file the one that was handed over, and do the lines lead to the checkpoint?

    verify_package(Path("package.zip"), Asked(ring, signers, anchors, pin, oldest), observations)

The same checks as those of `files/verify.py`, written a second time with the rules that the log was sealed
by. What vouches for a package comes from outside: a public key, an anchor. The key inside it does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from or_audit_logging.errors import FormatError, MissingExtraError, SignatureError
from or_audit_logging.evidence.anchors import Anchor
from or_audit_logging.evidence.export import Asked
from or_audit_logging.evidence.identity import Identity
from or_audit_logging.evidence.judgement import anchors_of, note_other_anchors, nothing_there, verdict_of
from or_audit_logging.evidence.package import names
from or_audit_logging.evidence.package.history import HistoryStated
from or_audit_logging.evidence.package.manifest import sums_text, verifier
from or_audit_logging.evidence.package.opening import PackageFile
from or_audit_logging.evidence.package.rules import (
    check_stated_tree,
    leaf_of,
    line_or_stub,
    root_beyond,
)
from or_audit_logging.evidence.package.stated import (
    LaterVersionError,
    Manifest,
    files_of,
    hashes,
    members_of,
    number_in,
    parse_manifest,
)
from or_audit_logging.evidence.report import Observations, Place, VerificationReport
from or_audit_logging.sealing.chain import LogKeys, genesis_prev
from or_audit_logging.sealing.checkpoint import CheckpointNote, decode_root, parse_note
from or_audit_logging.sealing.control import parse_control
from or_audit_logging.sealing.line import SealedLine, Stub, parse_line
from or_audit_logging.sealing.merkle import Frontier, root_from_inclusion
from or_audit_logging.sealing.note import PublicKey
from or_audit_logging.version import __version__


def verify_package(
    path: Path, asked: Asked, observations: Observations, *, progress: Callable[[int], None] | None = None
) -> VerificationReport:
    """Return the report on the package at *path*; raises nothing for what is in it."""
    try:
        package = PackageFile(path)
    except (FormatError, OSError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return nothing_there(str(path), observations, reason, is_export=True)
    with package:
        return _Verification(package, asked, observations, progress).report(str(path))


class _Verification:
    """The checks of one package, one after the other. `where` is the place that findings are made at."""

    def __init__(
        self,
        package: PackageFile,
        asked: Asked,
        observations: Observations,
        progress: Callable[[int], None] | None,
    ) -> None:
        self._package = package
        self._asked = asked
        self._observations = observations
        self._progress = progress
        self._reasons: list[str] = []
        self._where = Place()
        self._manifest: Manifest | None = None
        self._size, self._root = 0, b""
        self._line: SealedLine | None = None
        self._note: CheckpointNote | None = None
        self._history = HistoryStated()
        self._keys: dict[int, LogKeys] = {}
        self._anchors: dict[int, list[Anchor]] = {}
        self._matched: Anchor | None = None
        self._met: set[int] = set()
        self._is_signed = self._is_signed_by_given = self._is_sealed = self._is_root_sealed = False
        self._relied_on = -1
        self._actors: dict[str, int] = {}
        self._lines = self._records = self._redacted = 0

    def report(self, path: str) -> VerificationReport:
        """Run the checks and return what they came to."""
        if self._attempt(self._check_files) and (manifest := self._manifest) is not None:
            checks = (self._check_checkpoint, self._check_history, self._check_outside, self._check_lines)
            if all(self._attempt(check, manifest) for check in checks):
                self._judge(manifest)
        return self._report(path)

    def _attempt(self, check: Callable[..., None], *arguments: object) -> bool:
        """Run a check; return whether the next one can be run."""
        try:
            check(*arguments)
        except LaterVersionError as error:
            self._reasons.append(str(error))
        except SignatureError:
            self._find("signature", "the signature of the checkpoint does not hold")
        except FormatError as error:
            self._find("package", str(error))
        else:
            return True
        return False

    def _find(self, kind: str, message: str, *, expected: object = None, found: object = None) -> None:
        self._observations.find(self._where.finding(kind, message, expected=expected, found=found))

    def _at(self, name: str, line: int | None = None, seq: int | None = None) -> None:
        self._where = Place(name, line, seq)

    # Files: each is there, is what the manifest says, and nothing else is there.

    def _check_files(self) -> None:
        for said in self._package.strange:
            self._find("file", said)
        self._at(names.MANIFEST)
        text = self._package.read(names.MANIFEST)
        members = members_of(text)
        stated = files_of(members)
        sums = {names.MANIFEST: hashlib.sha256(text).hexdigest()}
        for name in sorted({*self._package.names, *stated} - {names.MANIFEST, names.SUMS}):
            self._at(name)
            if name not in stated:
                self._find("file", "the file is not part of the package")
            elif name not in self._package.names:
                self._find("file", "the file is missing")
            else:
                size, sums[name] = self._package.sum(name, most=stated[name][0])
                if (size, sums[name]) != stated[name]:
                    message = "the file is not the one that was handed over"
                    self._find("file", message, expected=stated[name][1], found=sums[name])
        self._at(names.SUMS)
        if self._package.read(names.SUMS) != sums_text(sums):
            self._find("file", "it states other sums than the files have")
        self._at(names.MANIFEST)
        manifest = parse_manifest(members)
        needed = names.required(is_range=manifest.is_range, is_signed=manifest.signed_by is not None)
        if set(stated) - set(names.REPORTS) != needed - {names.MANIFEST, names.SUMS}:
            raise FormatError("it lists other files than a package has")
        self._look_at_verifier(manifest, sums)
        self._manifest = manifest

    def _look_at_verifier(self, manifest: Manifest, sums: Mapping[str, str]) -> None:
        self._at(names.VERIFIER)
        if sums.get(names.VERIFIER) == hashlib.sha256(verifier()).hexdigest():
            return
        if manifest.library == __version__:
            self._find("verifier", "it is not the program that this library puts into a package")
        else:
            said = f"its program is that of version {manifest.library} and was not compared with one"
            self._observations.note(self._where.note("verifier", said))

    # The checkpoint.

    def _check_checkpoint(self, manifest: Manifest) -> None:
        self._at(names.CHECKPOINT, 1)
        raw = self._package.read(names.CHECKPOINT)
        line = self._line = parse_line(raw.removesuffix(b"\n"))
        members = parse_control(line.raw)
        if members["event_type"] != "log.checkpoint" or not raw.endswith(b"\n"):
            raise FormatError("this is no checkpoint")
        size = number_in(members, "size")
        tree = Frontier(size, hashes(members["frontier"]))
        self._size, self._root = size, tree.root()
        if (line.log, line.seq, decode_root(members["root"])) != (manifest.log, size, tree.root()):
            raise FormatError("the checkpoint contradicts itself, or is of another log")
        if (manifest.size, manifest.root) != (size, members["root"]):
            raise FormatError("the manifest states another checkpoint")
        if manifest.signed_by is not None:
            self._check_note(manifest, members["note"])

    def _check_note(self, manifest: Manifest, stated: object) -> None:
        key = manifest.signed_by
        assert key is not None  # noqa: S101 - the caller asked
        self._at(names.NOTE)
        text = _text(self._package.read(names.NOTE))
        if text != stated:
            raise FormatError("it is not the note in checkpoint.jsonl")
        note = self._note = parse_note(text)
        if (note.origin, note.head.size, note.head.root) != (manifest.origin, self._size, self._root):
            raise FormatError("the note is of another checkpoint")
        if key.name != manifest.origin:
            raise FormatError("the manifest names the key of another log")
        for name, held in (
            (names.VERIFIER_KEY, f"{key}\n"),
            (names.PUBLIC_KEY, PublicKey(key.public).to_pem()),
        ):
            self._at(name)
            if self._package.read(name) != held.encode():
                raise FormatError("the file holds another key than the manifest names")
        self._at(names.NOTE)
        try:
            self._is_signed = key.has_signed(note.text, note.signatures)
        except MissingExtraError:
            self._reasons.append("the signature was not checked: that takes the extra 'sign'")
            return
        if not self._is_signed:
            raise FormatError("it bears no signature of the key that the manifest names")

    # The history.

    def _proven(self, manifest: Manifest, name: str, proofs: str) -> Iterator[SealedLine]:
        """Yield the lines of a file, each of which the checkpoint is proven to cover."""
        lines, paths, last = self._package.lines(name), self._package.lines(proofs), -1
        self._at(proofs)
        while True:
            path = next(paths, None)
            self._at(name)
            found = next(lines, None)
            if path is None or found is None:
                if path is not found:
                    raise FormatError("there are not as many proofs as lines")
                return
            self._at(name, found[0])
            line, proof = parse_line(found[1]), members_of(path[1])
            self._at(name, found[0], line.seq)
            if line.log != manifest.log or not last < line.seq == number_in(proof, "seq"):
                raise FormatError("the line is of another log, or out of order, or its proof is another's")
            leaf = leaf_of(line)
            if root_from_inclusion(leaf, line.seq, self._size, hashes(proof.get("path"))) != self._root:
                raise FormatError("the line does not lead to the checkpoint's root")
            last = line.seq
            yield line

    def _check_history(self, manifest: Manifest) -> None:
        history = self._history
        for line in self._proven(manifest, names.HISTORY, names.HISTORY_PROOFS):
            history.take(line, manifest)
        self._at(names.HISTORY)
        history.check(manifest)
        said = None
        if manifest.recorded is None:
            said = "that this package was made is not recorded in the log"
        elif manifest.recorded >= self._size:
            said = "the checkpoint does not cover the record of this export in the log"
        else:
            history.check_export(manifest)
        if said is not None:
            self._observations.note(Place().note("not-recorded", said))

    # What comes from outside.

    def _check_outside(self, manifest: Manifest) -> None:
        asked = self._asked
        self._where = Place()
        log_id = bytes.fromhex(manifest.log_id)
        identity = Identity(manifest.log, log_id, manifest.origin, None, None, None, 0)
        self._observations.find(*asked.pin.mismatches(identity))
        if asked.signers and self._is_signed and self._note is not None:
            self._is_signed_by_given = asked.signers.has_signed(self._note)
        usable = anchors_of(manifest.log, asked.anchors, origin=manifest.origin)
        note_other_anchors(asked.anchors, usable, self._observations)
        for anchor in usable:
            self._anchors.setdefault(anchor.size, []).append(anchor)
        self._meet(manifest, self._size, self._root)
        candidates = asked.ring.candidates(log_id) if asked.ring is not None else ()
        for kid, kcv in self._history.check_values.items():
            for keys in candidates:
                if keys.kcv == kcv:
                    self._keys[kid] = keys
        if self._line is not None:
            self._at(names.CHECKPOINT, 1, self._line.seq)
            self._is_sealed = self._is_root_sealed = self._check_seal(self._line, manifest.prev)

    def _check_seal(self, line: SealedLine, prev: bytes) -> bool:
        """Return whether the seal was checked; raises `FormatError` where it does not hold."""
        keys = self._keys.get(line.kid)
        if keys is None:
            return False
        if not keys.check(prev, line.sealed_part, line.mac):
            raise FormatError("the line is not the one that was sealed: its MAC does not hold")
        return True

    def _meet(self, manifest: Manifest, size: int, root: bytes) -> None:
        """Hold the anchors of the first *size* lines against the tree."""
        for anchor in self._anchors.get(size, ()):
            self._met.add(size)
            if anchor.root != root:
                message = f"the anchor kept in {anchor.where} states another tree than these lines give"
                raise FormatError(message)
            if size > manifest.first and (self._matched is None or _is_better(anchor, self._matched)):
                self._matched = anchor

    # The lines.

    def _check_lines(self, manifest: Manifest) -> None:
        last = -1
        lines: Iterator[SealedLine | Stub] = (
            self._all_in_range(manifest)
            if manifest.is_range
            else self._proven(manifest, names.LINES, names.PROOFS)
        )
        for line in lines:
            if isinstance(line, Stub):
                self._check_stub(line)
            elif self._history.kid_at(line.seq) != line.kid:
                raise FormatError("the line names another key than the one in force")
            if not self._lines and line.seq != manifest.first:
                raise FormatError("the manifest names another first line")
            last = line.seq
            self._lines += 1
            self._records += isinstance(line, Stub) or not line.is_control
            if self._progress is not None and self._lines % 10_000 == 0:
                self._progress(self._lines)
        self._at(names.LINES)
        counted = (self._lines, self._records, self._redacted, last)
        if not self._lines or counted != (
            *(manifest.lines, manifest.records, manifest.redacted),
            manifest.last,
        ):
            raise FormatError("the manifest states other numbers of lines")
        for size in sorted(set(self._anchors) - self._met):
            said = f"an anchor of {size} lines cannot be held against this package"
            self._observations.note(Place().note("anchor-elsewhere", said))

    def _check_stub(self, stub: Stub) -> None:
        said = self._history.redactions.get((stub.seq, stub.leaf.hex()))
        if said is None:
            raise FormatError("the line was taken out, and no log.redact in the history says why")
        seq, actor = said
        self._relied_on = max(self._relied_on, seq)
        self._redacted += 1
        self._actors[actor] = self._actors.get(actor, 0) + 1

    def _all_in_range(self, manifest: Manifest) -> Iterator[SealedLine | Stub]:
        """Yield all lines from first to last: they, and hashes beside them, give the root."""
        self._at(names.RANGE)
        beside = members_of(self._package.read(names.RANGE, most=names.MOST_RANGE_BYTES))
        (prev,) = hashes([beside.get("prev")])
        tree = Frontier(manifest.first, hashes(beside.get("frontier")))
        tail, right = hashes(beside.get("tail")), hashes(beside.get("right"))
        genesis = genesis_prev(manifest.origin, bytes.fromhex(manifest.log_id))
        if (not tree.size and prev != genesis) or (tree.size & 1 and prev != tree.subtrees[-1]):
            raise FormatError("it states another line before the first one than there was")
        self._meet(manifest, tree.size, tree.root())
        self._at(names.LINES)
        for number, raw in self._package.lines(names.LINES):
            self._at(names.LINES, number)
            line = line_or_stub(raw)
            self._at(names.LINES, number, line.seq)
            if (line.log, line.seq) != (manifest.log, tree.size):
                raise FormatError(f"seq {line.seq} of log {line.log} stands where seq {tree.size} is due")
            if isinstance(line, SealedLine):
                if line.is_control:
                    check_stated_tree(parse_control(raw), tree, prev)
                self._is_sealed = self._check_seal(line, prev) and self._is_sealed
            yield line
            prev = leaf_of(line)
            tree.append(prev)
            if tree.size in self._anchors:
                self._meet(manifest, tree.size, tree.root())
        self._at(names.RANGE)
        for leaf in tail:
            tree.append(leaf)
            if tree.size in self._anchors:
                self._meet(manifest, tree.size, tree.root())
        if not manifest.first < tree.size <= self._size or root_beyond(tree, self._size, right) != self._root:
            raise FormatError("the lines do not lead to the checkpoint's root")

    # The verdict.

    def _anchored_to(self) -> int | None:
        if self._matched is None or self._manifest is None:
            return None
        return min(self._matched.size - 1, self._manifest.last)

    def _judge(self, manifest: Manifest) -> None:
        """Say what could not be checked."""
        ring, signers = self._asked.ring, self._asked.signers
        vouched = self._is_signed_by_given or self._anchored_to() == manifest.last
        if signers and not self._is_signed_by_given:
            self._reasons.append("the checkpoint is not signed by the public key given")
        if ring is not None and not self._keys:
            self._reasons.append("the key given is not that of this log")
        elif ring is not None and not self._is_sealed and not vouched:
            self._reasons.append("some seals were not checked: their key was not given")
        relied_on = max(self._relied_on, self._history.deleted_by)
        is_root_vouched = self._is_signed_by_given or self._is_root_sealed
        if self._matched is not None and not is_root_vouched and relied_on >= self._matched.size:
            said = "the log.delete or log.redact that lets lines be missing is behind the anchor"
            self._reasons.append(said)
        if not self._is_sealed and not self._is_signed and self._matched is None:
            self._reasons.append("neither a key, nor a public key, nor an anchor of these lines was given")
        self._say_what_is_not_proven(manifest)
        if self._is_signed and not self._is_signed_by_given and manifest.signed_by is not None:
            digest = hashlib.sha256(manifest.signed_by.public).hexdigest()
            said = (
                "its checkpoint is signed by the key that came with it, which vouches for nothing by itself; "
                f"compare the key's SHA-256 with one from elsewhere: {digest}"
            )
            self._observations.note(Place(names.PUBLIC_KEY).note("key-inside", said))

    def _say_what_is_not_proven(self, manifest: Manifest) -> None:
        said = "a selection: each line is proven by itself; that none is left out is not proven"
        if manifest.is_range:
            said = "a range: none is missing in between; whether more stands before or behind is not proven"
        self._observations.note(Place(names.LINES).note(manifest.kind, said))
        said = "not proven: that the history is complete; what README and reports say beyond the lines"
        self._observations.note(Place().note("not-proven", said))

    def _report(self, path: str) -> VerificationReport:
        manifest, oldest, matched = self._manifest, self._asked.oldest, self._matched
        too_old = (
            matched is not None
            and oldest is not None
            and not (matched.kept_at is not None and matched.kept_at >= oldest)
        )
        anchored_to = self._anchored_to()
        is_anchored = matched is not None and not too_old
        is_vouched = is_anchored or (self._is_signed_by_given and oldest is None)
        observations = self._observations
        is_sealed = self._is_sealed and not observations.finding_count
        last = manifest.last if manifest is not None else None
        return VerificationReport(
            path=path,
            verdict=verdict_of(observations, self._reasons, unanchored=not is_vouched),
            reasons=tuple(self._reasons),
            findings=tuple(observations.findings),
            finding_count=observations.finding_count,
            notes=tuple(observations.notes),
            note_count=observations.note_count,
            log=manifest.log if manifest is not None else None,
            log_id=manifest.log_id if manifest is not None else None,
            origin=manifest.origin if manifest is not None else None,
            is_export=True,
            lines=self._lines,
            user_lines=self._records,
            control_lines=self._lines - self._records,
            first_seq=manifest.first if manifest is not None else None,
            last_seq=last,
            key_checked=is_sealed,
            anchored_to=anchored_to,
            anchored_at=matched.kept_at if matched is not None else None,
            anchor_too_old=too_old,
            signed_to=last if self._is_signed_by_given else None,
            tail="anchored" if anchored_to == last else "chain-only" if is_sealed else "unchecked",
            deleted_to=manifest.starts_at - 1 if manifest is not None and manifest.starts_at else None,
            redacted=self._redacted,
            redactions=self._actors,
        )


def _is_better(anchor: Anchor, other: Anchor) -> bool:
    if anchor.size != other.size:
        return anchor.size > other.size
    return anchor.kept_at is not None and (other.kept_at is None or anchor.kept_at < other.kept_at)


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise FormatError("the file is no text") from None
