"""One line: is it as the log's key has sealed it, where it stands?"""

from __future__ import annotations

from pathlib import Path

import pytest
from log_builder import NEXT_DAY, OTHER_SECRET, SECRET, LogBuilder, key

from or_audit_logging.errors import KeyNotFoundError
from or_audit_logging.keys import KeyRing
from or_audit_logging.log.sealed import is_sealed
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.sealing.chain import LogKeys
from or_audit_logging.sealing.line import STUB_START, parse_line


def find_keys(log_id: bytes, kcv: str) -> LogKeys:
    """Return the keys of one of the two secrets."""
    return KeyRing([key(SECRET), key(OTHER_SECRET)]).log_keys(log_id, kcv=kcv)


def built() -> LogBuilder:
    """Return a log of two segments: what a crash left, a redacted line, a change of keys."""
    log = LogBuilder()
    log.user(3)
    log.torn(b'{"event_type":"chat')
    log.user(2)
    log.rotate(OTHER_SECRET)
    log.user(2)
    log.open(NEXT_DAY)
    log.user(2)
    log.redact(3)
    return log


def checked(folder: Path, raw: bytes, name: str) -> bool:
    """Return what is said of a line in the segment called *name*."""
    layout = LogLayout.discover(folder)
    assert layout is not None
    segment = next(file for file in layout.files() if file.name == name)
    return is_sealed(segment, parse_line(raw.removesuffix(b"\n")), find_keys)


@pytest.mark.parametrize("is_archived", [False, True])
def test_each_line_is(tmp_path: Path, is_archived: bool) -> None:
    """In plain segments and in archives, behind stubs, torn bytes and a change of keys."""
    log = built()
    folder = log.save(tmp_path / "log")
    count = 0
    for name in list(log.segments):
        if is_archived:
            log.archive(folder, name)
        for raw in log.lines(name):
            if raw.startswith(b"{") and raw.endswith(b'"}\n') and not raw.startswith(STUB_START):
                assert checked(folder, raw, name)
                count += 1
    assert count == log.seq - 1


def test_one_that_was_changed_is_not(tmp_path: Path) -> None:
    """Whichever byte it is, also where the file says the same; nor is one in another place."""
    log = built()
    folder = log.save(tmp_path / "log")
    name, other = log.segments
    whole = log.segments[name]
    line = log.lines(name)[4]
    for at in (2, 60, len(line) // 2, len(line) - 4):
        changed = line[:at] + bytes([line[at] ^ 1]) + line[at + 1 :]
        log.segments[name] = whole.replace(line, changed)
        log.save(folder)
        assert not checked(folder, line, name)
        if changed.count(b'"mac"') == 1:
            assert not checked(folder, changed, name)
    lines = whole.splitlines(keepends=True)
    log.segments[name] = b"".join([*lines[:3], *lines[4:]])
    log.save(folder)
    assert not checked(folder, line, name)
    assert not checked(folder, line, other)


@pytest.mark.parametrize("what", ["log_id", "base_leaf", "origin", "pad"])
def test_a_first_line_that_was_changed_vouches_for_nothing(tmp_path: Path, what: str) -> None:
    """Nor does a file that does not begin with one."""
    log = built()
    *_, name = log.segments
    first, *lines = log.lines(name)
    at = first.index(f'"{what}":"'.encode()) + len(what) + 4
    changed = first[:at] + (b"1" if first[at : at + 1] == b"0" else b"0") + first[at + 1 :]
    for beginning in (changed, b"", b"no line\n", lines[0]):
        log.segments[name] = b"".join([beginning, *lines])
        folder = log.save(tmp_path / "log")
        try:
            assert not checked(folder, lines[-1], name)
        except KeyNotFoundError:
            assert (what, beginning) == ("log_id", changed)


def test_without_its_key(tmp_path: Path) -> None:
    """That is said, and is not the same as a line that does not hold."""
    log = LogBuilder(secret=b"a third secret, as long as the others are")
    log.save(tmp_path / "log")
    with pytest.raises(KeyNotFoundError):
        checked(tmp_path / "log", log.lines()[1], log.name)


def test_a_change_of_keys_that_was_forged(tmp_path: Path) -> None:
    """A key that was given for older lines does not seal newer ones because somebody says so."""
    log = LogBuilder()
    log.rotate(OTHER_SECRET)
    rotation = log.lines()[-1]
    log.user()
    name = log.name
    log.segments[name] = log.segments[name].replace(rotation, rotation[:-4] + b"0" + rotation[-3:])
    log.save(tmp_path / "log")
    assert not checked(tmp_path / "log", log.lines()[-1], name)
