"""What a manifest states, taken apart and held to its form. No I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from or_audit_logging.errors import FormatError
from or_audit_logging.evidence.package import names
from or_audit_logging.evidence.package.asked import filter_of
from or_audit_logging.sealing.checkpoint import ORIGIN, decode_root
from or_audit_logging.sealing.note import VerifierKey

_LOG_ID = re.compile(r"[0-9a-f]{32}")
_HASH = re.compile(r"[0-9a-f]{64}")
_MOST = 1 << 63


class LaterVersionError(FormatError):
    """A package of a version that this library does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A manifest. `files` has size and SHA-256 by name; `act` what the log.export has to say as well."""

    log_id: str
    origin: str
    starts_at: int
    is_range: bool
    first: int
    last: int
    lines: int
    records: int
    redacted: int
    size: int
    root: str
    prev: bytes
    signed_by: VerifierKey | None
    recorded: int | None
    act: Mapping[str, object]
    library: str
    files: Mapping[str, tuple[int, str]]

    @property
    def kind(self) -> str:
        """`range` or `selection`."""
        return "range" if self.is_range else "selection"

    @property
    def log(self) -> str:
        """What the log's lines bear."""
        return self.log_id[:16]


def files_of(members: Mapping[str, Any]) -> dict[str, tuple[int, str]]:
    """Return size and SHA-256 of each file that a manifest lists; raises `FormatError`."""
    files = members.get("files")
    if not isinstance(files, dict) or not all(isinstance(one, dict) for one in files.values()):
        raise FormatError("the manifest lists no files")
    return {name: (number_in(one, "size"), _hash(one, "sha256")) for name, one in files.items()}


def members_of(text: bytes) -> dict[str, Any]:
    """Return the JSON object that *text* is; raises `FormatError`."""

    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) != len(pairs):
            raise ValueError("a name stands twice")
        return members

    def no_constants(name: str) -> object:
        raise ValueError(f"{name} is no JSON number")

    try:
        members = json.loads(text, object_pairs_hook=no_duplicates, parse_constant=no_constants)
    except (ValueError, RecursionError):
        raise FormatError("this is not JSON") from None
    if not isinstance(members, dict):
        raise FormatError("this is no JSON object")
    return members


def parse_manifest(members: Mapping[str, Any]) -> Manifest:
    """Return what a manifest's *members* state; raises `FormatError`."""
    if members.get("format") != names.FORMAT:
        raise FormatError("this is the manifest of something else")
    if number_in(members, "version") != names.VERSION:
        raise LaterVersionError("the package is of another version than this library knows")
    log_id, origin, kind, checkpoint = (members.get(n) for n in ("log_id", "origin", "kind", "checkpoint"))
    if not isinstance(log_id, str) or not _LOG_ID.fullmatch(log_id):
        raise FormatError("the manifest names no log")
    if not isinstance(origin, str) or not ORIGIN.fullmatch(origin):
        raise FormatError("the manifest names no log")
    if kind not in ("range", "selection") or not isinstance(checkpoint, dict):
        raise FormatError("the manifest says neither range nor selection, or states no checkpoint")
    if (tuple(members), tuple(checkpoint)) != (names.MANIFEST_MEMBERS, names.CHECKPOINT_MEMBERS):
        raise FormatError("it states other things than a manifest does")
    signed_by = checkpoint["signed_by"]
    if signed_by is not None and not isinstance(signed_by, str):
        raise FormatError("the manifest names no key")
    if members.get("filter") != filter_of(members.get("asked")):
        raise FormatError("it states another filter than what was asked for")
    decode_root(checkpoint.get("root"))
    recorded = None if members.get("recorded", 0) is None else number_in(members, "recorded")
    return Manifest(
        log_id=log_id,
        origin=origin,
        starts_at=number_in(members, "log_starts_at"),
        is_range=kind == "range",
        first=number_in(members, "first"),
        last=number_in(members, "last"),
        lines=number_in(members, "lines"),
        records=number_in(members, "records"),
        redacted=number_in(members, "redacted"),
        size=number_in(checkpoint, "size"),
        root=checkpoint["root"],
        prev=bytes.fromhex(_hash(checkpoint, "prev")),
        signed_by=None if signed_by is None else VerifierKey.parse(signed_by),
        recorded=recorded,
        act={name: members.get(name) for name in ("first", "last", "filter", "actor", "reason")},
        library=str(members.get("library")),
        files=files_of(members),
    )


def hashes(value: object) -> list[bytes]:
    """Return the hashes in a list of 64 hex digits each; raises `FormatError`."""
    if not isinstance(value, list) or not all(isinstance(one, str) and _HASH.fullmatch(one) for one in value):
        raise FormatError("hashes are 64 lower-case hex digits each")
    return [bytes.fromhex(one) for one in value]


def number_in(members: Mapping[str, Any], name: str) -> int:
    """Return a number that is not negative; raises `FormatError`."""
    value = members.get(name)
    if type(value) is not int or not 0 <= value < _MOST:
        raise FormatError(f"{name} is missing, or is no number")
    return value


def _hash(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise FormatError(f"{name} is missing, or is no hash of 64 lower-case hex digits")
    return value
