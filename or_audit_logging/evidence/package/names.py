"""The files of a package: what each is called, and which there have to be."""

from __future__ import annotations

FORMAT = "or-audit package"
VERSION = 1

README = "README.txt"
SUMS = "SHA256SUMS"
MANIFEST = "manifest.json"
VERIFIER = "verify.py"
LINES = "lines.jsonl"
RANGE = "range.json"
PROOFS = "proofs.jsonl"
CHECKPOINT = "checkpoint.jsonl"
NOTE = "checkpoint.txt"
PUBLIC_KEY = "public_key.pem"
VERIFIER_KEY = "verifier_key.txt"
HISTORY = "history.jsonl"
HISTORY_PROOFS = "history_proofs.jsonl"
REPORTS = ("report.html", "report.json", "report.csv")

ORDER = (
    *(README, VERIFIER, MANIFEST, SUMS, LINES, RANGE, PROOFS, CHECKPOINT, NOTE, PUBLIC_KEY, VERIFIER_KEY),
    *(HISTORY, HISTORY_PROOFS, *REPORTS),
)
"""All files that a package may have, in the order in which they stand in it."""

MANIFEST_MEMBERS = (
    *("format", "version", "library", "exported_at", "actor", "reason", "recorded", "log_id", "origin"),
    *("log_starts_at", "asked", "filter", "kind", "first", "last", "lines", "records", "redacted"),
    *("checkpoint", "files"),
)
CHECKPOINT_MEMBERS = ("size", "root", "prev", "signed_by")
"""What a manifest states, and what of the checkpoint, in this order."""

MOST_BYTES = 1 << 20
"""No small file is larger, nor is a line longer."""
MOST_RANGE_BYTES = 1 << 26

HISTORY_EVENTS = frozenset(
    f"log.{name}"
    for name in (
        *("genesis", "open", "policy", "hold", "release", "delete", "redact"),
        *("export", "rotate", "lost", "recover"),
    )
)
"""Control lines that tell how the log was kept. Of open lines only that of the first segment present."""

ABOUT_OTHERS = frozenset({"log.hold", "log.release", "log.redact", "log.export"})
"""Of these, what can name others than the one whose lines a selection has."""


def required(*, is_range: bool, is_signed: bool) -> frozenset[str]:
    """Return the files that a package has in any case."""
    always = (README, SUMS, MANIFEST, VERIFIER, LINES, CHECKPOINT, HISTORY, HISTORY_PROOFS)
    signed = (NOTE, PUBLIC_KEY, VERIFIER_KEY) if is_signed else ()
    return frozenset((*always, *signed, RANGE if is_range else PROOFS))
