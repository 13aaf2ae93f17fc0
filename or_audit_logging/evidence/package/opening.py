"""A package as it lies there, and whoever made it: nothing is unpacked, and memory is bounded.

    with PackageFile(path) as package:
        package.names, package.strange           -> ("README.txt", ...), what has no place in a package
        package.read("manifest.json", most=1 << 20)
        for number, line in package.lines("lines.jsonl"): ...

Whatever is wrong with the archive is a `FormatError`.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from or_audit_logging.errors import FormatError
from or_audit_logging.evidence.package import names

_MAGIC = (b"PK\3\4", b"PK\5\6")
_END, _END64, _MOST_COMMENT = b"PK\5\6", b"PK\6\7", 66_000
_MOST_ENTRIES = 100
_DOCUMENT = b'{\n"export_timestamp": '
_BLOCK = 1 << 18


def looks_like_package(path: Path) -> bool:
    """Return whether the file at *path* is a ZIP archive with files of a package in it, or a broken one."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as file:
            if file.read(4) not in _MAGIC:
                return False
        with PackageFile(path) as package:
            return not {names.MANIFEST, names.LINES, names.SUMS}.isdisjoint(package.names)
    except FormatError:
        return True
    except OSError:
        return False


def looks_like_document(path: Path) -> bool:
    """Return whether the file at *path* begins as the plain document that `export` writes."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe that is opened and closed loses its writer
            return False
        with open(path, "rb") as file:
            return file.read(len(_DOCUMENT)) == _DOCUMENT
    except OSError:
        return False


class PackageFile:
    """A ZIP archive, opened for reading."""

    def __init__(self, path: Path) -> None:
        """Raises `FormatError` where it cannot be opened as what it is, `OSError`."""
        self.strange: list[str] = []
        self._entries: dict[str, zipfile.ZipInfo] = {}
        _check_directory(path)
        with _as_format_error():
            self._zip = zipfile.ZipFile(path)
        for entry in self._zip.infolist():
            if stat.S_ISLNK(entry.external_attr >> 16) or entry.flag_bits & 1 or entry.filename.endswith("/"):
                self.strange.append(f"{entry.filename!a} is a link, a folder or encrypted")
            elif entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                self.strange.append(f"{entry.filename!a} is compressed in an unusual way")
            elif entry.filename in self._entries:
                self.strange.append(f"{entry.filename!a} is there twice")
            else:
                self._entries[entry.filename] = entry
        self.names = tuple(sorted(self._entries))

    def __enter__(self) -> PackageFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def read(self, name: str, *, most: int = names.MOST_BYTES) -> bytes:
        """Return what is in the file *name*; raises `FormatError`, also where that is more than *most*."""
        with _as_format_error(), self._zip.open(self._entry(name)) as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise FormatError("the file is larger than it can be")
        return content

    def sum(self, name: str, *, most: int) -> tuple[int, str]:
        """Return size and SHA-256 of the file *name*, of little more than *most* bytes where it has more."""
        size, digest = 0, hashlib.sha256()
        with _as_format_error(), self._zip.open(self._entry(name)) as file:
            while size <= most and (block := file.read(_BLOCK)):
                size += len(block)
                digest.update(block)
        return size, digest.hexdigest()

    def lines(self, name: str) -> Iterator[tuple[int, bytes]]:
        """Yield the lines of the file *name* with their numbers, without their newlines."""
        number = 0
        with contextlib.closing(io.BufferedReader(_Entry(self._zip, self._entry(name)), _BLOCK)) as file:
            while raw := file.readline(names.MOST_BYTES):
                number += 1
                if not raw.endswith(b"\n"):
                    raise FormatError(f"line {number} is too long, or has no end")
                yield number, raw[:-1]

    def _entry(self, name: str) -> zipfile.ZipInfo:
        if name not in self._entries:
            raise FormatError("the file is missing")
        return self._entries[name]


class _Entry(io.RawIOBase):
    """One file of an archive as a raw stream."""

    def __init__(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
        with _as_format_error():
            self._file = archive.open(entry)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        with _as_format_error():
            block = self._file.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._file.close()
        super().close()


@contextlib.contextmanager
def _as_format_error() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, struct.error):
        raise FormatError("the file is damaged and cannot be read") from None
    except (ValueError, OSError, OverflowError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError("the file is damaged and cannot be read") from None


def _check_directory(path: Path) -> None:
    """Raise `FormatError` for an archive with more in it than a package's files and their directory."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _MOST_COMMENT))
        tail = file.read()
        at = tail.rfind(_END)
        if at < 0 or len(tail) < at + 22:
            raise FormatError("the file is no ZIP file, or was cut short")
    end = size - len(tail) + at
    entries, length, start = struct.unpack("<HII", tail[at + 10 : at + 20])
    if at >= 76 and tail[at - 20 : at - 16] == _END64:
        entries, length, start = struct.unpack("<QQQ", tail[at - 44 : at - 20])
        end -= 76
    if entries > _MOST_ENTRIES or length > names.MOST_BYTES:
        raise FormatError("the ZIP file has more in it than a package has")
    if len(tail) != at + 22 or start + length != end:
        raise FormatError("something stands before, in or behind the ZIP file that is none of its files")
