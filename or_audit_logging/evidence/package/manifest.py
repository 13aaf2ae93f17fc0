"""What a package says of itself: the manifest, the sums of its files, and the text for whoever opens it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from or_audit_logging.evidence.package import names
from or_audit_logging.evidence.package.asked import Asked
from or_audit_logging.evidence.package.choosing import Chosen
from or_audit_logging.evidence.package.gathering import Gathered
from or_audit_logging.sealing.note import PublicKey
from or_audit_logging.version import __version__

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Who hands over, why and when; `seq` of the log.export that says so, None: it is not recorded."""

    actor: str | None
    reason: str | None
    time: str
    seq: int | None


def verifier() -> bytes:
    """Return the verifier of one file as it lies in a package."""
    return resources.files(__package__).joinpath("files", names.VERIFIER).read_bytes()


def complete(folder: Path, asked: Asked, chosen: Chosen, gathered: Gathered, act: Act) -> dict[str, object]:
    """Add keys, verifier, text, manifest and sums to the files in *folder*; return the manifest."""
    checkpoint, key = gathered.checkpoint, gathered.checkpoint.signed_by
    if key is not None:
        (folder / names.VERIFIER_KEY).write_bytes(f"{key}\n".encode())
        (folder / names.PUBLIC_KEY).write_bytes(PublicKey(key.public).to_pem().encode("ascii"))
    manifest: dict[str, object] = {
        "format": names.FORMAT,
        "version": names.VERSION,
        "library": __version__,
        "exported_at": act.time,
        "actor": act.actor,
        "reason": act.reason,
        "recorded": act.seq,
        "log_id": gathered.log_id,
        "origin": gathered.origin,
        "log_starts_at": gathered.starts_at,
        "asked": asked.to_dict(),
        "filter": asked.digest,
        "kind": "selection" if asked.is_filtered else "range",
        "first": chosen.first,
        "last": chosen.last,
        "lines": chosen.lines,
        "records": chosen.records,
        "redacted": gathered.redacted,
        "checkpoint": {
            "size": checkpoint.size,
            "root": checkpoint.root,
            "prev": checkpoint.prev.hex(),
            "signed_by": None if key is None else str(key),
        },
    }
    (folder / names.VERIFIER).write_bytes(verifier())
    (folder / names.README).write_bytes(_readme(manifest).encode("utf-8", "backslashreplace"))
    found = {file.name: _sum(file) for file in sorted(folder.iterdir()) if file.name in names.ORDER}
    manifest["files"] = {name: {"sha256": sha256, "size": size} for name, (sha256, size) in found.items()}
    text = (json.dumps(manifest, indent=1) + "\n").encode("ascii")
    (folder / names.MANIFEST).write_bytes(text)
    sums = {name: sha256 for name, (sha256, _) in found.items()}
    (folder / names.SUMS).write_bytes(sums_text(sums | {names.MANIFEST: hashlib.sha256(text).hexdigest()}))
    return manifest


def sums_text(sums: Mapping[str, str]) -> bytes:
    """Return the sums of files by name as `sha256sum -c` takes them."""
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode()


def _sum(file: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with open(file, "rb") as opened:
        while block := opened.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def _readme(manifest: Mapping[str, object]) -> str:
    text = resources.files(__package__).joinpath("files", names.README).read_text("utf-8")
    recorded = manifest["recorded"]
    words = {
        "origin": manifest["origin"],
        "log_id": manifest["log_id"],
        "library": manifest["library"],
        "exported_at": manifest["exported_at"],
        "actor": manifest["actor"] or "(not said)",
        "reason": manifest["reason"] or "(not said)",
        "recorded": "NOT RECORDED in the log: it was made without the log's key, or from a copy"
        if recorded is None
        else f"recorded in the log as seq {recorded}",
        "asked": json.dumps(manifest["asked"]),
        "lines": manifest["lines"],
        "first": manifest["first"],
        "last": manifest["last"],
    }
    for name, value in words.items():
        text = text.replace(f"{{{{{name}}}}}", "".join(c if c.isprintable() else "?" for c in str(value)))
    return text
