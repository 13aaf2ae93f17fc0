"""Packages to check and to damage, and both of the verifiers that have to agree on them.

log = rich_log()                             three days, a change of keys, two users, a late cost
both(package, anchors=[...])                 the exit code of verify.py, and that of or-audit verify
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from log_builder import NEXT_DAY, OTHER_SECRET, SECRET, THIRD_DAY, LogBuilder

from or_audit_logging import verify
from or_audit_logging.evidence.package import manifest as manifest_module
from or_audit_logging.sealing.note import SigningKey

VERIFIER = Path(manifest_module.__file__).parent / "files" / "verify.py"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("package_verifier", VERIFIER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


verifier = _load()


def call(log: LogBuilder, user: str, event: str = "chat_completion", **members: Any) -> int:
    """Add a call by *user* and return its seq."""
    stamp = log.clock.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    head = {"event_type": event, "v": 1, "id": f"r-{log.seq}", "timestamp": stamp, "status": "success"}
    body = head | {"user_id": user, "total_cost": 0.25} | members
    log._tick()
    log.seal(json.dumps(body, separators=(",", ":")).encode("ascii"))
    return log.seq - 1


def new_day(log: LogBuilder, day: str) -> None:
    """Go on in the segment of *day*, at that day's noon."""
    log.clock = log.clock.replace(day=int(day[-2:]), hour=12, minute=0, second=0)
    log.open(day)


def rich_log(signing: SigningKey | None = None, *, rotated: bool = True) -> LogBuilder:
    """Return a log of three days, sealed under two keys, with calls of two users."""
    log = LogBuilder(signing=signing)
    call(log, "u-1")
    call(log, "u-2", total_cost=0.5)
    call(log, "u-1", event="chat_completion.started", status="pending", total_cost=None)
    call(log, "u-1", started_id=f"r-{log.seq - 1}", generation_id="gen-1", total_cost=None)
    log.checkpoint()
    new_day(log, NEXT_DAY)
    log.control("log.hold", name="case-7", until=None, actor="counsel", reason="litigation")
    call(log, "u-2", total_cost=1.5)
    call(log, "u-1", session_id="s-9")
    if rotated:
        log.rotate(OTHER_SECRET)
        log.checkpoint()
    call(log, "u-2")
    call(log, "u-2")
    new_day(log, THIRD_DAY)
    fact = {"status": "success", "generation_id": "gen-1", "total_cost": 0.125}
    call(log, "", event="generation", **fact)
    call(log, "u-2")
    call(log, "u-1")
    log.checkpoint()
    return log


def secrets_of(log: LogBuilder, folder: Path) -> list[Path]:
    """Return files with the secrets that the log was sealed under."""
    files = []
    for number, secret in enumerate((SECRET, OTHER_SECRET)[: log.kid + 1]):
        file = folder / f"key-{number}"
        file.write_bytes(secret + b"\n")
        file.chmod(0o600)
        files.append(file)
    return files


def contents(package: Path) -> dict[str, bytes]:
    """Return the files of a package by name."""
    with zipfile.ZipFile(package) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(files: Mapping[str, bytes], package: Path) -> Path:
    """Write *files* as a package of the same form and return its path."""
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return package


def unpack(package: Path, folder: Path) -> Path:
    """Write the files of a package to *folder* and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents(package).items():
        (folder / name).write_bytes(content)
    return folder


def alone(program: Path, *arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the verifier on a Python that has nothing but its standard library."""
    command = [sys.executable, "-I", "-S", str(program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=60, check=False)


def both(
    package: Path,
    *,
    keys: list[Path] | None = None,
    public: list[Path] | None = None,
    anchors: list[Path] | None = None,
) -> int:
    """Return the exit code of verify.py, and hold that of `verify` against it."""
    by_itself, said = one_file(package, keys=keys, public=public, anchors=anchors)
    report = verify(
        package,
        key=[f"file:{file}" for file in keys] if keys else None,
        public_key=[str(file) for file in public] if public else None,
        anchors=list(anchors or []),
    )
    assert report.exit_code == by_itself, (said, report.summary(), report.findings, report.reasons)
    assert report.finding_count == 0 or report.exit_code == 1
    return by_itself


def one_file(
    package: Path,
    *,
    keys: list[Path] | None = None,
    public: list[Path] | None = None,
    anchors: list[Path] | None = None,
) -> tuple[int, list[str]]:
    """Return exit code and findings of verify.py, run in this process; *package* may be a folder."""
    options = argparse.Namespace(
        public_key=[os.fspath(file) for file in public or []],
        anchor=[os.fspath(file) for file in anchors or []],
        key_file=[os.fspath(file) for file in keys or []],
    )
    outside = verifier.Outside(options)
    try:
        opened = verifier.Folder(package) if package.is_dir() else verifier.Zip(os.fspath(package))
    except (verifier.UncheckedError, OSError, ValueError, zipfile.BadZipFile, RuntimeError):
        return 2, []
    verification = verifier.Verification(opened, outside)
    return verification.run(), verification.findings + verification.reasons
