"""Honest logs made from the sealing rules alone, without the writer that they are to be independent of.

    log = LogBuilder()                       # genesis and a checkpoint, in audit_2026-11-21.jsonl
    log.user(3); log.checkpoint(); log.open("2026-11-22"); log.user(2)
    log.save(folder)

What is built stands in `segments`, name to bytes, so that a test can damage it before it is saved.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from or_audit_logging.evidence.anchors import Anchor
from or_audit_logging.record import utc_timestamp
from or_audit_logging.sealing.chain import LogKeys, genesis_prev, leaf_hash
from or_audit_logging.sealing.checkpoint import TreeHead, encode_root, note_text
from or_audit_logging.sealing.control import FORMAT_VERSION, control_body, first_line_body
from or_audit_logging.sealing.line import close_suffix, open_suffix
from or_audit_logging.sealing.merkle import Frontier
from or_audit_logging.sealing.note import SigningKey

SECRET = b"a secret of more than thirty-two bytes"
OTHER_SECRET = b"another secret, also more than 32 bytes"
LOG_ID = bytes(range(16))
DAY = "2026-11-21"
NEXT_DAY = "2026-11-22"
THIRD_DAY = "2026-11-23"
KEPT_AT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def key(secret: bytes = SECRET) -> Callable[[], bytes]:
    """Return *secret* as a key source."""
    return lambda: secret


class LogBuilder:
    """A log in memory, one line after the other; without a *day*, nothing is opened yet."""

    def __init__(
        self,
        *,
        secret: bytes = SECRET,
        log_id: bytes = LOG_ID,
        stem: str = "audit",
        day: str | None = DAY,
        host: str = "audit.example",
        policy: object = None,
        signing: SigningKey | None = None,
    ) -> None:
        self.signing = signing
        self.log_id = log_id
        self.stem = stem
        self.origin = f"{host}/{stem}/{log_id.hex()[:16]}"
        self.segments: dict[str, bytes] = {}
        self.heads = [TreeHead(0, Frontier().root())]
        self.clock = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
        self.keys = LogKeys(secret, log_id=log_id)
        self.kid = 0
        self.seq = 0
        self.prev = genesis_prev(self.origin, log_id)
        self.tree = Frontier()
        self.name = ""
        self.first_line: Callable[..., bytes] = first_line_body
        self.policy = policy
        self.starts: dict[str, tuple[int, bytes, TreeHead]] = {}
        """Of each segment: its first seq, and the hash and the tree of what stands before it."""
        self._described_in: dict[str, str] = {}
        self._fragments: list[tuple[str, bytes]] = []
        if day is not None:
            self.open(day)

    def open(self, day: str, number: int = 0, *, checkpoint: bool = True) -> None:
        """Go on in the segment of *day*, with its first line, a checkpoint and what a crash asks for."""
        previous, after = self.name or None, self.seq - 1 if self.seq else None
        self.name = self._name(day, number)
        self.segments[self.name] = b""
        self.starts[self.name] = (self.seq, self.prev, self.heads[-1])
        members: dict[str, object] = {
            "segment": self.name,
            "day": date.fromisoformat(day).isoformat(),
            "log_id": self.log_id.hex(),
            "origin": self.origin,
            "format": FORMAT_VERSION,
            "kcv": self.keys.kcv,
            "vkey": self._vkey(self.signing),
            "policy": self.policy,
            "library": "0.0.0",
        }
        if self.seq:
            frontier = self.tree.to_hex()
            members |= {"prev_segment": previous, "base_leaf": self.prev.hex(), "frontier": frontier}
        event = "log.open" if self.seq else "log.genesis"
        stamp = {"record_id": self._record_id(), "timestamp": self._tick()}
        self.seal(self.first_line(event, seq=self.seq, kid=self.kid, **stamp, **members))
        if checkpoint:
            self.checkpoint()
        for name, fragment in self._fragments:
            self.control("log.recover", segment=name, after_seq=after, **_described(fragment))
            self._described_in[name] = self.name
        self._fragments.clear()

    def user(self, count: int = 1, *, text: str = "plain") -> None:
        """Add *count* users' records."""
        for _ in range(count):
            body = (
                f'{{"event_type":"chat_completion","v":1,"id":"{self._record_id()}",'
                f'"timestamp":"{self._tick()}","status":"success","note":"{text}"}}'
            )
            self.seal(body.encode("ascii"))

    def checkpoint(self, *, note: bool = False) -> str:
        """Add a checkpoint and return its line; signed where there is a signing key."""
        head = TreeHead(self.tree.size, self.tree.root())
        text = f"{note_text(self.origin, head)}\n\u2014 {self.origin} c2lnbmF0dXJl\n" if note else None
        if self.signing is not None:
            text = self.signing.sign_note(self.origin, head)
        root, frontier = encode_root(head.root), self.tree.to_hex()
        line = self.control("log.checkpoint", size=head.size, root=root, frontier=frontier, note=text)
        return line.decode("ascii")

    def rotate(self, secret: bytes | None = None, *, signing: SigningKey | None = None) -> None:
        """Change the key to *secret*, the signing key to *signing*, or both."""
        keys = LogKeys(secret, log_id=self.log_id) if secret is not None else None
        next_kcv = keys.kcv if keys is not None else None
        self.control("log.rotate", next_kcv=next_kcv, next_vkey=self._vkey(signing))
        self.keys, self.kid = keys or self.keys, self.kid + 1
        self.signing = signing or self.signing

    def delete(self, base: str, /, *, remove: bool = True, **members: object) -> bytes:
        """Say that all segments before the one called *base* go, *remove* them, and return the line."""
        seq, leaf, head = self.starts[base]
        stated: dict[str, object] = {
            "base": seq,
            "base_leaf": leaf.hex(),
            "root": encode_root(head.root),
            "past": [deletion_row(seq - 1)],
            "actor": "retention",
            "reason": "schedule",
        }
        line = self.control("log.delete", **(stated | members))
        if remove:
            for name in [name for name in self.segments if self._first_seq(name) < seq]:
                del self.segments[name]
        return line

    def redact(self, seq: int, *, replace: bool = True, **members: object) -> bytes:
        """Say that the line *seq* is replaced by its stub, *replace* it, and return the line that says so."""
        mark = b',"seq":%d,"' % seq
        name, line = next((name, line) for name in self.segments for line in self.lines(name) if mark in line)
        leaf = leaf_hash(line.removesuffix(b"\n")).hex()
        stated: dict[str, object] = {"target": seq, "leaf": leaf, "actor": "dpo", "reason": "request 7"}
        said = self.control("log.redact", **(stated | members))
        if replace:
            stub = f'{{"log":"{self.log_id.hex()[:16]}","seq":{seq},"leaf":"{leaf}"'.encode()
            self.segments[name] = self.segments[name].replace(line, stub.ljust(len(line) - 2) + b"}\n")
        return said

    def torn(self, fragment: bytes) -> None:
        """Leave *fragment* as a crash does, and recover from it."""
        before = fragment + b"\n"
        described = _described(fragment)
        self.control("log.recover", before, segment=self.name, after_seq=self.seq - 1, **described)

    def torn_file(self, day: str, number: int, fragment: bytes) -> None:
        """Leave a segment in which not even the first line is whole; the next one opened describes it."""
        name = self._name(day, number)
        self.segments[name] = fragment
        self._fragments.append((name, fragment))

    def control(self, event_type: str, before: bytes = b"", /, **members: object) -> bytes:
        """Add a control line, behind the bytes *before*."""
        body = control_body(event_type, record_id=self._record_id(), timestamp=self._tick(), **members)
        return self.seal(body, before)

    def seal(self, body: bytes, before: bytes = b"") -> bytes:
        """Add the JSON object *body* as the next line, behind the bytes *before*; return the line."""
        part = open_suffix(body, log=self.log_id.hex()[:16], seq=self.seq, kid=self.kid)
        line = close_suffix(part, self.keys.mac(self.prev, part))
        self.segments[self.name] += before + line + b"\n"
        self.prev = leaf_hash(line)
        self.tree.append(self.prev)
        self.seq += 1
        self.heads.append(TreeHead(self.seq, self.tree.root()))
        return line

    def lines(self, name: str | None = None) -> list[bytes]:
        """Return the lines of a segment (the only one), each with its newline."""
        return self.segments[name or self.name].splitlines(keepends=True)

    def note(self, size: int | None = None) -> str:
        """Return the checkpoint note over the first *size* lines (all)."""
        return note_text(self.origin, self.heads[self.seq if size is None else size])

    def anchor(self, size: int | None = None, *, kept_at: datetime | None = KEPT_AT) -> Anchor:
        """Return the anchor over the first *size* lines (all)."""
        head = self.heads[self.seq if size is None else size]
        return Anchor(head.size, head.root, self.origin, self.log_id.hex()[:16], kept_at, "elsewhere")

    def save(self, folder: Path) -> Path:
        """Write the segments to *folder* and return it."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.segments.items():
            (folder / name).write_bytes(content)
        return folder

    def archive(self, folder: Path, name: str) -> Path:
        """Move a saved segment to the archive and return the file's path."""
        target = folder / "archive" / f"{name}.gz"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(gzip.compress((folder / name).read_bytes(), mtime=0))
        (folder / name).unlink()
        return target

    def _first_seq(self, name: str) -> int:
        """Return the first seq of a segment; of a torn file, that of the segment which describes it."""
        return self.starts[self._described_in.get(name, name)][0]

    def _vkey(self, signing: SigningKey | None) -> str | None:
        return str(signing.verifier_key(self.origin)) if signing is not None else None

    def _name(self, day: str, number: int) -> str:
        return f"{self.stem}_{day}{f'.{number}' if number else ''}.jsonl"

    def _record_id(self) -> str:
        return f"00000000-0000-4000-8000-{self.seq:012x}"

    def _tick(self) -> str:
        self.clock += timedelta(seconds=1)
        return utc_timestamp(self.clock)


def deletion_row(last: int, *, first: int = 0, **members: object) -> dict[str, object]:
    """Return a row of a log.delete's past: the lines from *first* to *last* went."""
    stated: dict[str, object] = {
        "days": [DAY, DAY],
        "seqs": [first, last],
        "policy": "operational",
        "cut_off": DAY,
        "actor": "retention",
        "time": "2026-11-21T10:00:00.000000Z",
        "runs": 1,
    }
    return stated | members


def _described(fragment: bytes) -> dict[str, object]:
    return {"length": len(fragment), "sha256": hashlib.sha256(fragment).hexdigest()}


def three_segments(**options: Any) -> LogBuilder:
    """Return a log of three segments that start at seq 0, 5 and 10, the last of five lines so far."""
    log = LogBuilder(**options)
    log.user(3)
    for day in (NEXT_DAY, THIRD_DAY):
        log.open(day)
        log.user(3)
    return log
