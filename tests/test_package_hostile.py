"""Packages that somebody made to harm whoever opens them: neither verifier raises, unpacks or swells."""

from __future__ import annotations

import io
import json
import random
import stat
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packages import alone, both, contents, one_file, pack, rich_log, unpack, verifier

from or_audit_logging import verify
from or_audit_logging.errors import FormatError
from or_audit_logging.evidence.package.exporting import export
from or_audit_logging.evidence.package.opening import PackageFile, looks_like_package
from or_audit_logging.evidence.package.stated import members_of, parse_manifest


@pytest.fixture(autouse=True)
def _no_key_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OR_AUDIT_KEY", raising=False)
    monkeypatch.delenv("OR_AUDIT_KEY_FILE", raising=False)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a package that holds; both say 2 of it, since nothing is given to hold it against."""
    folder = tmp_path_factory.mktemp("honest")
    package = folder / "package.zip"
    export(rich_log(rotated=False).save(folder / "log"), package)
    assert both(package) == 2
    return package


def add(package: Path, target: Path, name: str, content: bytes, **changes: int) -> Path:
    """Return a copy of *package* with one more entry."""
    target.write_bytes(package.read_bytes())
    with zipfile.ZipFile(target, "a") as archive:
        entry = zipfile.ZipInfo(name)
        for field, value in changes.items():
            setattr(entry, field, value)
        archive.writestr(entry, content)
    return target


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_entries_that_no_package_has_are_findings(honest: Path, tmp_path: Path) -> None:
    """Paths that lead out, absolute ones, folders, links, the same name twice."""
    target = tmp_path / "hostile.zip"
    for name in (
        "../../escape",
        "/tmp/escape",
        "a/../b",
        "C:\\escape",
        "folder/",
        "x" * 5000,
        "n\x1b[31m",
        "",
    ):
        assert both(add(honest, target, name, b"x")) == 1, name
    assert both(add(honest, target, "lines.jsonl", b"{}\n")) == 1
    assert both(add(honest, target, "link", b"/etc/passwd", external_attr=(stat.S_IFLNK | 0o777) << 16)) == 1
    files = contents(honest)
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            if name == "lines.jsonl":
                entry.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(entry, content)
    assert both(target) == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["hostile.zip"]


def test_a_folder_with_links_and_folders_is_no_package(honest: Path, tmp_path: Path) -> None:
    """What a name leads to outside the folder is not read."""
    fresh = unpack(honest, tmp_path / "fresh")
    (tmp_path / "outside").write_bytes((fresh / "lines.jsonl").read_bytes())
    (fresh / "lines.jsonl").unlink()
    (fresh / "lines.jsonl").symlink_to(tmp_path / "outside")
    assert one_file(fresh)[0] == 1
    other = unpack(honest, tmp_path / "other")
    (other / "more").mkdir()
    assert one_file(other)[0] == 1


def test_encrypted_and_strangely_compressed_entries_are_findings(honest: Path, tmp_path: Path) -> None:
    """The flag alone, and methods that are not read."""
    content = honest.read_bytes()
    for method, flags in ((8, 1), (12, 0), (14, 0), (99, 0)):
        changed = bytearray(content)
        at = changed.find(b"PK\1\2")
        struct.pack_into("<HH", changed, at + 8, flags, method)
        target = tmp_path / "hostile.zip"
        target.write_bytes(changed)
        assert both(target) == 1, (method, flags)


def test_a_table_of_contents_without_end_is_refused(honest: Path, tmp_path: Path) -> None:
    """Thousands of entries, also as ZIP64 says it."""
    target = tmp_path / "many.zip"
    with zipfile.ZipFile(target, "w") as archive:
        for number in range(5000):
            archive.writestr(f"{number}", b"")
        archive.writestr("manifest.json", b"{}")
    assert both(target) == 2
    content = honest.read_bytes()
    at = content.rfind(b"PK\5\6")
    record = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 1 << 40, 1 << 40, 1 << 40, 0)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, at, 1)
    target.write_bytes(content[:at] + record + locator + content[at:])
    assert both(target) == 2


def test_a_bomb_is_not_blown_up(tmp_path: Path, honest: Path) -> None:
    """Gigabytes of zeros are read no further than the manifest says, and never held."""
    files = contents(honest)
    target = tmp_path / "bomb.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            if name not in ("lines.jsonl", "manifest.json", "checkpoint.jsonl", "report.html"):
                archive.writestr(name, content)
        for name in ("lines.jsonl", "checkpoint.jsonl", "report.html"):
            with archive.open(name, "w") as entry:
                for _ in range(64):
                    entry.write(bytes(1 << 20))
        archive.writestr("manifest.json", files["manifest.json"])
    tracemalloc.start()
    assert both(target) == 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 24 << 20
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b"[" * (64 << 20))
    tracemalloc.start()
    assert both(target) == 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 24 << 20


def test_deep_and_odd_json_is_a_finding(honest: Path, tmp_path: Path) -> None:
    """In every file that is parsed."""
    files = contents(honest)
    odd = (
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b"{}",
        b"[]",
        b"null",
        b"",
        b"\xff\xfe",
        b'{"a":1,"a":2}',
        b"NaN",
    )
    for name in ("manifest.json", "range.json", "checkpoint.jsonl", "history.jsonl", "history_proofs.jsonl"):
        for content in odd:
            for end in (b"", b"\n"):
                assert both(pack(files | {name: content + end}, tmp_path / "odd.zip")) == 1, (
                    name,
                    content[:20],
                )


def test_archives_that_were_cut_cannot_be_verified(honest: Path, tmp_path: Path) -> None:
    """At any place; nothing raises."""
    content, target = honest.read_bytes(), tmp_path / "cut.zip"
    for size in (4, 5, 30, 100, len(content) // 2, len(content) - 23, len(content) - 1):
        target.write_bytes(content[:size])
        assert both(target) in (1, 2), size
        assert verify(target).verdict in ("tampered", "cannot verify")


def test_other_files_are_what_they_were(tmp_path: Path) -> None:
    """A ZIP archive without a package's files, and text, are exports of loose lines."""
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("holiday.txt", b"sun")
    assert not looks_like_package(other)
    (tmp_path / "text").write_bytes(b"PKZ lines")
    assert not looks_like_package(tmp_path / "text")
    assert not looks_like_package(tmp_path)
    assert not looks_like_package(tmp_path / "none")


@given(seed=st.integers(0, 1 << 32))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_archive_raises_nothing(
    honest: Path, tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """Bytes of the container are changed, cut out or doubled: both say something, and the same."""
    chance = random.Random(seed)
    content = bytearray(honest.read_bytes())
    directory = content.rfind(b"PK\1\2")
    for _ in range(chance.randint(1, 6)):
        at = (
            chance.randrange(len(content))
            if chance.random() < 0.5
            else chance.randrange(directory - 1500, len(content))
        )
        kind = chance.random()
        if kind < 0.6:
            content[at] = chance.randrange(256)
        elif kind < 0.8:
            del content[at : at + chance.randint(1, 40)]
        else:
            content[at:at] = content[at : at + chance.randint(1, 40)]
    target = tmp_path_factory.getbasetemp() / "damaged.zip"
    target.write_bytes(content)
    if looks_like_package(target):
        assert both(target) in (1, 2)
    with PackageFileOrError(target) as package:
        assert package is None or isinstance(package.names, tuple)


class PackageFileOrError:
    """A package, or None where it cannot be opened: nothing else is raised."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.package: PackageFile | None = None

    def __enter__(self) -> PackageFile | None:
        try:
            self.package = PackageFile(self.path)
        except FormatError:
            return None
        return self.package

    def __exit__(self, *_: object) -> None:
        if self.package is not None:
            self.package.__exit__(None, None, None)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(name=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_manifest_is_parsed_or_refused(honest: Path, name: st.DataObject) -> None:
    """Any value in any place: a manifest, or a FormatError."""
    members = json.loads(contents(honest)["manifest.json"])
    at = name.draw(st.sampled_from([*members, "checkpoint.size", "checkpoint.prev", "files.README.txt"]))
    value = name.draw(json_values)
    outer, _, inner = at.partition(".")
    if inner:
        members[outer][inner] = value
    else:
        members[outer] = value
    try:
        parse_manifest(members_of(json.dumps(members).encode()))
    except FormatError:
        pass


def test_the_verifier_of_one_file_never_shows_a_traceback(honest: Path, tmp_path: Path) -> None:
    """Also for what is no package at all."""
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "text").write_text("no package")
    for place, code in ((empty, 1), (tmp_path / "text", 2), (tmp_path / "none", 2), (honest, 2)):
        done = alone(Path(verifier.__file__), place)
        assert (done.returncode, done.stderr) == (code, ""), done.stdout
    broken = io.BytesIO(b"PK\5\6" + bytes(18))
    (tmp_path / "bare.zip").write_bytes(broken.getvalue())
    assert alone(Path(verifier.__file__), tmp_path / "bare.zip").returncode == 1


def test_what_is_no_file_of_the_archive_is_not_carried_along(honest: Path, tmp_path: Path) -> None:
    """Before it, behind it, as its comment: other programs may open such a file as something else."""
    content, target = honest.read_bytes(), tmp_path / "more.zip"
    at = content.find(b"PK\1\2")
    for changed in (
        b"PK\3\4 and more" + content,
        content + b"more",
        content[:-2] + b"\4\0more",
        content[:at] + b"more" + content[at:],
    ):
        target.write_bytes(changed)
        assert both(target) == 2
        assert "none of its files" in verify(target).reasons[0]


def test_an_archive_in_zip64_is_read_as_one(honest: Path, tmp_path: Path) -> None:
    """As a package is written that has more than 4 GB."""
    content, target = honest.read_bytes(), tmp_path / "large.zip"
    at = content.rfind(b"PK\5\6")
    count, length, start = struct.unpack("<HII", content[at + 10 : at + 20])
    record = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, length, start)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, at, 1)
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    target.write_bytes(content[:at] + record + locator + end)
    assert both(target) == both(honest)
    assert not verify(target).finding_count
