"""A package as a file: a ZIP archive with the same bytes for the same files, or a plain JSON document."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.arguments import PathText, find_log
from or_audit_logging.evidence.package import names
from or_audit_logging.evidence.reporting.writing import to_json

_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_LARGE = 1 << 31


def check_place(path: PathText, output: Path) -> None:
    """Raise `ConfigError` where *output* lies in the folder of the log at *path*, or is a folder."""
    target = find_log(path)
    if output.is_dir():
        raise ConfigError(f"{output} is a folder; name the file to write")
    if target.store is not None:
        if os.path.realpath(output) == os.path.realpath(target.store):
            raise ConfigError(f"{output} is the store itself; write elsewhere")
    elif Path(os.path.realpath(output)).is_relative_to(os.path.realpath(target.folder)):
        raise ConfigError(f"{output} is inside the log's folder; write elsewhere")


@contextlib.contextmanager
def new_file(output: Path) -> Iterator[IO[bytes]]:
    """Yield a file (0600) that is called *output* once it is complete and on disk; raises `OSError`."""
    target = Path(os.path.abspath(output))
    descriptor, unfinished = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with open(descriptor, "w+b") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        os.replace(unfinished, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise


def write_zip(folder: Path, out: IO[bytes]) -> None:
    """Write the files of a package in *folder* as a ZIP archive."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names.ORDER:
            file = folder / name
            if not file.exists():
                continue
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix: then the mode below means something, whatever this runs on
            entry.external_attr = (stat.S_IFREG | 0o600) << 16
            is_large = file.stat().st_size >= _LARGE
            with open(file, "rb") as source, archive.open(entry, "w", force_zip64=is_large) as target:
                shutil.copyfileobj(source, target, 1 << 20)


def write_json(out: IO[bytes], head: Mapping[str, object], lines: Iterable[bytes]) -> None:
    """Write *head* and the *lines*, JSON objects, as the list `logs` in one JSON document."""
    start = "".join(f"{json.dumps(name)}: {to_json(value)},\n" for name, value in head.items())
    out.write(b"{\n" + start.encode("ascii") + b'"logs": [')
    for number, line in enumerate(lines):
        out.write((b",\n" if number else b"\n") + line)
    out.write(b"\n]\n}\n")
