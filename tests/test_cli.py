"""The command `or-audit`: what it does, what it says, how it exits."""

from __future__ import annotations

import json
import logging.config
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import members_of, records_of

from or_audit_logging import AuditFileHandler
from or_audit_logging.cli.main import main, parser
from or_audit_logging.sealing.note import PublicKey
from or_audit_logging.signing_keys import read_public_key, read_signing_key

posix_only = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")


@pytest.fixture
def log(tmp_path: Path, audit_key: bytes) -> Path:
    """A log with five records."""
    folder = tmp_path / "audit_logs"
    handler = AuditFileHandler(folder / "audit.jsonl")
    for number in range(5):
        handler.handle(
            logging.LogRecord("openrouter.audit", logging.INFO, "", 0, f"record {number}", (), None)
        )
    handler.close()
    return folder


@posix_only
def test_init_makes_a_key_that_only_the_owner_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the folder, not in it; the folder is 0700."""
    monkeypatch.chdir(tmp_path)
    assert main(["init", "audit_logs"]) == 0
    assert stat.S_IMODE((tmp_path / "audit_logs.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "audit_logs").stat().st_mode) == 0o700
    assert len((tmp_path / "audit_logs.key").read_bytes()) >= 33


def test_init_keeps_an_existing_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run twice, the log's key is still the log's key; and it is never printed."""
    for _ in range(2):
        assert main(["init", str(tmp_path / "log"), "--key-file", str(tmp_path / "k")]) == 0
        key = (tmp_path / "k").read_text().strip()
    out = capsys.readouterr().out
    assert "New key" in out
    assert "kept" in out
    assert key not in out


def test_init_refuses_a_key_inside_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever copies the log must not copy its key."""
    assert main(["init", str(tmp_path / "log"), "--key-file", str(tmp_path / "log" / "audit.key")]) == 2
    assert "inside the log's folder" in capsys.readouterr().err
    assert not (tmp_path / "log").exists()


def test_init_makes_a_signing_key_and_its_public_half(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run twice, it is the same key; the configuration names it, and it is never printed."""
    pytest.importorskip("cryptography", reason="needs the extra sign")
    signing = tmp_path / "keys" / "signing.pem"
    command = ["init", str(tmp_path / "log"), "--signing-key", str(signing), "--format", "json"]
    assert main(command) == 0
    first = signing.read_bytes()
    assert stat.S_IMODE(signing.stat().st_mode) == 0o600
    public = signing.with_name("signing.pem.pub")
    assert read_public_key(public) == read_signing_key(f"file:{signing}").public
    assert f'"signing_key": "file:{signing}"' in capsys.readouterr().out
    public.unlink()
    assert main(command) == 0
    assert signing.read_bytes() == first
    assert read_public_key(public) == read_signing_key(f"file:{signing}").public
    out = capsys.readouterr().out
    assert "Signing key already there, kept" in out
    assert str(public) in out
    assert first.decode().split("\n")[1] not in out


def test_init_overwrites_no_key_and_makes_none_in_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is there is no signing key, or the public half is another's, or the place is the log's."""
    pytest.importorskip("cryptography", reason="needs the extra sign")
    file = tmp_path / "file"
    file.write_text("something else")
    file.chmod(0o600)
    command = ["init", str(tmp_path / "log"), "--signing-key"]
    assert main([*command, str(file)]) == 2
    assert file.read_text() == "something else"
    (tmp_path / "new.pem.pub").write_text(PublicKey(bytes(32)).to_pem())
    assert main([*command, str(tmp_path / "new.pem")]) == 2
    assert "not the public half" in capsys.readouterr().err
    assert main([*command, str(tmp_path / "log" / "signing.pem")]) == 2
    assert "inside the log's folder" in capsys.readouterr().err
    assert not list((tmp_path / "log").iterdir())


@pytest.mark.parametrize("style", ["python", "json", "yaml"])
def test_the_configuration_that_init_prints_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], style: str
) -> None:
    """Pasted as it is, in each of the three forms."""
    folder = tmp_path / "my logs"
    assert main(["init", str(folder), "--key-file", str(tmp_path / "the key"), "--format", style]) == 0
    printed = capsys.readouterr().out
    if style == "python":
        start = printed.index("import logging.config")
        exec(printed[start:], {})
    else:
        start = printed.index("{") if style == "json" else printed.index("version:")
        text = printed[start : printed.index("\n#", start)]
        logging.config.dictConfig(json.loads(text) if style == "json" else yaml.safe_load(text))
    logging.getLogger("openrouter.audit").info("hello")
    assert [r["message"] for r in records_of(folder)] == ["hello"]


def test_verify_says_intact_and_how_to_anchor(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 3, or 0 where that is said to be enough."""
    assert main(["verify", str(log)]) == 3
    out = capsys.readouterr().out
    assert out.startswith("UNANCHORED\n")
    assert "nothing outside this machine vouches for the end" in out
    assert "or-audit checkpoint" in out
    assert main(["verify", str(log), "--unanchored-ok"]) == 0


def test_a_checkpoint_kept_elsewhere_anchors_the_log(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the key, and without it."""
    assert main(["checkpoint", str(log), "-o", str(tmp_path / "anchors")]) == 0
    assert main(["verify", str(log), "--anchor", str(tmp_path / "anchors")]) == 0
    monkeypatch.delenv("OR_AUDIT_KEY")
    assert main(["verify", str(log), "--anchor", str(tmp_path / "anchors")]) == 0
    assert capsys.readouterr().out.count("VERIFIED") == 2


def test_checkpoint_prints_its_line(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The log's last line, alone on stdout."""
    assert main(["checkpoint", str(log)]) == 0
    assert json.loads(capsys.readouterr().out) == members_of(log)[-1]


def test_an_anchor_inside_the_log_s_folder_is_refused(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It would vouch for nothing."""
    assert main(["checkpoint", str(log), "-o", str(log / "anchors")]) == 2
    assert "kept elsewhere" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["edit", "cut"])
def test_verify_names_segment_and_line_of_a_change(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    """An edited record with the key; a cut end with the anchor."""
    assert main(["checkpoint", str(log), "-o", str(tmp_path / "anchors")]) == 0
    (path,) = log.glob("*.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    edited = [line.replace(b"record 2", b"record 7") for line in lines]
    path.write_bytes(b"".join(edited if damage == "edit" else lines[:-2]))
    assert main(["verify", str(log), "--anchor", str(tmp_path / "anchors")]) == 1
    out = capsys.readouterr().out
    assert out.startswith("TAMPERED\n")
    if damage == "edit":
        number = next(n for n, line in enumerate(lines, 1) if b"record 2" in line)
        assert f"{path.name}:{number}" in out


def test_verify_prints_json_for_programs(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Verdict, exit code, findings and notes."""
    assert main(["verify", str(log), "--json"]) == 3
    report = json.loads(capsys.readouterr().out)
    assert (report["verdict"], report["exit_code"], report["findings"]) == ("unanchored", 3, [])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["verify", "NOWHERE"], "CANNOT VERIFY"),
        (["verify", "EMPTY"], "CANNOT VERIFY"),
        (["checkpoint", "EMPTY"], "no audit log"),
        (["verify", "EMPTY", "--max-age", "soon"], "--max-age"),
        (["verify", "EMPTY", "--key", "the key itself"], "env:NAME or file:PATH"),
        (["checkpoint", "NOWHERE"], "no audit log"),
    ],
)
def test_what_cannot_be_done_exits_2_with_a_plain_sentence(
    tmp_path: Path, audit_key: bytes, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    """No traceback, whatever is asked for."""
    (tmp_path / "EMPTY").mkdir()
    places = {"NOWHERE": str(tmp_path / "nowhere"), "EMPTY": str(tmp_path / "EMPTY")}
    assert main([places.get(argument, argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert says in captured.out + captured.err
    assert "Traceback" not in captured.err


def test_verify_without_a_key_or_an_anchor_says_so(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing to check against: exit 2."""
    monkeypatch.delenv("OR_AUDIT_KEY")
    assert main(["verify", str(log)]) == 2
    assert "key" in capsys.readouterr().out


def test_control_characters_of_a_log_do_not_reach_the_terminal(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever a forged line or file name holds is printed escaped."""
    (log / "audit_2026-01-01.jsonl").write_bytes(b"\x1b[2J\x1b]0;owned\x07\n")
    assert main(["verify", str(log)]) == 1
    assert "\x1b" not in capsys.readouterr().out


def test_a_reader_that_goes_away_is_no_error_message(log: Path) -> None:
    """`or-audit verify DIR --json | head -1` ends quietly."""
    process = subprocess.Popen(
        [sys.executable, "-m", "or_audit_logging", "verify", str(log), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    error = process.stderr.read()
    process.stderr.close()
    process.wait(30)
    assert b"Traceback" not in error


def test_the_demo_can_be_kept_and_verified(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--keep leaves log, key and anchor; what it prints at the end can be run."""
    pytest.importorskip("openai")
    place = tmp_path / "demo"
    assert main(["demo", "--keep", str(place)]) == 0
    command = capsys.readouterr().out.rsplit("Try: or-audit ", 1)[1].split()
    assert main(command) == 0
    assert len(records_of(place / "audit_logs")) >= 30
    assert b"sk-or-v1" not in b"".join(path.read_bytes() for path in place.rglob("*.jsonl"))


def test_the_demo_names_the_extra_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the openai SDK: exit 2 and the command that brings it."""
    monkeypatch.setitem(sys.modules, "openai", None)
    assert main(["demo"]) == 2
    assert "or-audit-logging[demo]" in capsys.readouterr().err


@pytest.mark.parametrize("there", ["empty", "folder"])
def test_init_does_not_keep_what_is_no_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], there: str
) -> None:
    """A file too short, or a folder, where the key should be: exit 2."""
    place = tmp_path / "k"
    if there == "empty":
        place.touch(mode=0o600)
    else:
        place.mkdir()
    assert main(["init", str(tmp_path / "log"), "--key-file", str(place)]) == 2
    assert "export" not in capsys.readouterr().out


def test_checkpoint_makes_the_folder_that_is_missing(log: Path, tmp_path: Path) -> None:
    """-o may name a file in a folder to be made, or a folder."""
    assert main(["checkpoint", str(log), "-o", str(tmp_path / "a" / "b" / "anchors")]) == 0
    assert main(["checkpoint", str(log), "-o", str(tmp_path / "a")]) == 0
    for anchor in (tmp_path / "a" / "b" / "anchors", tmp_path / "a" / "audit.anchors"):
        assert main(["verify", str(log), "--anchor", str(anchor)]) == 0


def test_verify_of_a_segment_names_its_folder(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A log is verified whole."""
    (segment,) = log.glob("*.jsonl")
    assert main(["verify", str(segment)]) == 2
    assert f"verify its folder, {log}" in capsys.readouterr().out
    assert main(["verify", ""]) == 2


def test_a_command_imports_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    """Commands that run every minute do not wait for what others need; each stands under its own name."""
    (commands,) = (action.choices for action in parser()._actions if action.choices)
    assert isinstance(commands, dict)
    for name in commands:
        (own,) = (action.choices for action in parser(name)._actions if action.choices)
        assert isinstance(own, dict)
        assert list(own) == [name]
        assert own[name].format_help() == commands[name].format_help()
    program = (
        "import sys; from or_audit_logging.cli.main import main; main(['verify', '--help']);"
        "print([name for name in sys.modules if name.startswith('or_audit_logging.ship.shipper')])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.endswith("[]\n")
    assert main(["verfy"]) == 2
    assert "invalid choice: 'verfy'" in capsys.readouterr().err
