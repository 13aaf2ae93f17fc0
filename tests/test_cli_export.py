"""`or-audit export`, and `or-audit verify` of what it made."""

from __future__ import annotations

import ast
import json
import os
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import run_python
from log_builder import DAY, NEXT_DAY, SECRET
from packages import VERIFIER, both, contents, rich_log, secrets_of
from samples import REPOSITORY

from or_audit_logging.cli.main import main
from or_audit_logging.evidence.reading import reader_of
from or_audit_logging.evidence.retention.history import history_of
from or_audit_logging.sealing.note import SigningKey


@pytest.fixture(autouse=True)
def _no_key_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OR_AUDIT_KEY", raising=False)
    monkeypatch.delenv("OR_AUDIT_KEY_FILE", raising=False)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return rich_log(rotated=False).save(tmp_path / "log")


def test_a_package_is_made_recorded_and_verified(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the key from the environment; the words say what, how much, and where it stands in the log."""
    monkeypatch.setenv("OR_AUDIT_KEY", SECRET.decode())
    package = tmp_path / "package.zip"
    arguments = ["--since", DAY, "--until", NEXT_DAY, "--actor", "ann", "--reason", "audit 7"]
    assert main(["export", str(place), *arguments, "-o", str(package)]) == 0
    said = capsys.readouterr()
    act = history_of(reader_of(place)).acts[-1]
    assert (act.event_type, act.members["actor"], act.members["reason"]) == ("log.export", "ann", "audit 7")
    assert f"recorded in the log as seq {act.seq}" in said.out
    assert said.err == ""
    assert main(["verify", str(package)]) == 3
    assert "chain and seals hold" in capsys.readouterr().out
    monkeypatch.delenv("OR_AUDIT_KEY")
    assert main(["verify", str(package), "--unanchored-ok"]) == 2
    assert "Neither a key, nor a public key, nor an anchor" in capsys.readouterr().out


def test_what_is_near_a_package_is_told_apart(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unpacked one, and somebody else's archive."""
    package, unpacked, other = tmp_path / "p.zip", tmp_path / "unpacked", tmp_path / "other.zip"
    assert main(["export", str(place), "--since", DAY, "-o", str(package)]) == 0
    with zipfile.ZipFile(package) as archive:
        archive.extractall(unpacked)
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("README.txt", "something else")
    capsys.readouterr()
    assert main(["verify", str(unpacked)]) == 2
    assert "is an unpacked package: give the .zip file" in capsys.readouterr().out
    assert main(["verify", str(other)]) == 2


def test_without_the_key_it_says_that_it_is_not_recorded(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, in the manifest, and in the text for whoever opens the package."""
    package = tmp_path / "package.zip"
    assert main(["export", str(place), "-o", str(package), "--json"]) == 0
    said = capsys.readouterr()
    assert "not recorded" in said.err
    done = json.loads(said.out)
    assert (done["recorded"], done["lines"]) == (None, 19)
    assert json.loads(contents(package)["manifest.json"])["recorded"] is None
    assert b"NOT RECORDED" in contents(package)["README.txt"]
    assert main(["verify", str(package), "--json"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert "not recorded in the log" in report["notes"][0]["message"]


def test_refusals_have_their_exit_codes(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """2 for what cannot be done, 1 for a log that is not what its checkpoints say."""
    package = str(tmp_path / "package.zip")
    assert main(["export", str(place), "--since", "2027-01-01", "-o", package]) == 2
    assert "no record was written" in capsys.readouterr().err
    assert main(["export", str(place), "-o", str(place / "package.zip")]) == 2
    assert main(["export", str(tmp_path / "none"), "-o", package]) == 2
    assert main(["export", str(place)]) == 2
    file = place / f"audit_{NEXT_DAY}.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"total_cost":1.5', b'"total_cost":1.4'))
    capsys.readouterr()
    assert main(["export", str(place), "-o", package]) == 1
    assert "not those it was made of" in capsys.readouterr().err
    assert not os.path.exists(package)


def test_an_unsigned_export_of_a_signed_log_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the signing key, the checkpoint bears its signature."""
    pytest.importorskip("cryptography", reason="needs the extra sign")
    signer = SigningKey.generate()
    log = rich_log(signer, rotated=False)
    place, package = log.save(tmp_path / "log"), tmp_path / "package.zip"
    (key,) = secrets_of(log, tmp_path)
    pem = tmp_path / "signer.pem"
    pem.write_bytes(signer.to_pem())
    pem.chmod(0o600)
    assert main(["export", str(place), "--key", f"file:{key}", "-o", str(package)]) == 0
    assert "--signing-key" in capsys.readouterr().err
    signed = ["--signing-key", f"file:{pem}"]
    assert main(["export", str(place), "--key", f"file:{key}", *signed, "-o", str(package)]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "signed by" in said.out
    assert both(package) == 3


def test_the_plain_document(place: Path, tmp_path: Path) -> None:
    """Of one user."""
    output = tmp_path / "u-1.json"
    assert main(["export", str(place), "--user", "u-1", "--format", "json", "-o", str(output)]) == 0
    document = json.loads(output.read_bytes())
    assert [one["event_type"] for one in document["logs"]].count("chat_completion") == 4
    assert document["period"]["users"] == ["u-1"]


def test_the_verifier_is_written_for_old_pythons() -> None:
    """Its syntax is that of 3.9, and it imports nothing but the standard library at its start."""
    text = VERIFIER.read_text("utf-8")
    tree = ast.parse(text, feature_version=(3, 9))
    found = {node.names[0].name for node in tree.body if isinstance(node, ast.Import)}
    assert found <= sys.stdlib_module_names
    assert len(found) > 10
    others = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert others - sys.stdlib_module_names <= {
        *("collections.abc", "cryptography.exceptions"),
        "cryptography.hazmat.primitives.asymmetric.ed25519",
    }


def test_importing_the_library_does_not_bring_the_package_in(tmp_path: Path) -> None:
    """Nor zipfile's readers: a handler never needs them."""
    code = "import sys, or_audit_logging; print([n for n in sys.modules if 'evidence.package' in n])"
    done = run_python("-c", code, cwd=tmp_path, environment={"PYTHONPATH": str(REPOSITORY)})
    assert done.stdout.strip() == "[]", done.stderr
