"""One record's proof: made from a log, checked without it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from conftest import run_python
from hypothesis import given, settings
from hypothesis import strategies as st
from log_builder import DAY, NEXT_DAY, SECRET, THIRD_DAY, LogBuilder

from or_audit_logging.cli.main import main
from or_audit_logging.errors import (
    ChainBrokenError,
    CheckpointMismatchError,
    ConfigError,
    FormatError,
    ProofError,
    SignatureError,
    VerificationError,
)
from or_audit_logging.evidence.check_proof import check_proof
from or_audit_logging.evidence.prove import prove
from or_audit_logging.sealing.note import SigningKey
from or_audit_logging.sealing.proof import parse_proof

pytest.importorskip("cryptography", reason="needs the extra sign")

KEY = SigningKey.generate()
OTHER = SigningKey.generate()
FIRST, SECOND, THIRD = (f"audit_{day}.jsonl" for day in (DAY, NEXT_DAY, THIRD_DAY))


def three_days(signing: SigningKey | None = KEY) -> LogBuilder:
    """Return a log of three segments, with torn bytes in the second, that ends in a checkpoint."""
    log = LogBuilder(signing=signing)
    log.user(5)
    log.open(NEXT_DAY)
    log.user(3)
    log.torn(b'{"event_type":"chat_compl')
    log.user(2)
    log.checkpoint()
    log.user()
    log.open(THIRD_DAY)
    log.user(4)
    log.checkpoint()
    return log


def all_lines(log: LogBuilder) -> list[bytes]:
    lines = [line for name in log.segments for line in log.lines(name) if b'"mac":"' in line]
    assert len(lines) == log.seq
    return lines


def checkpoint_sizes(lines: list[bytes]) -> list[int]:
    return [seq for seq, line in enumerate(lines) if line.startswith(b'{"event_type":"log.checkpoint"')]


def test_every_line_is_proven_by_the_first_checkpoint_behind_it(tmp_path: Path) -> None:
    """Control lines too; the proof is checked with line and public key alone."""
    log = three_days()
    lines = all_lines(log)
    folder = log.save(tmp_path / "log")
    sizes = checkpoint_sizes(lines)
    for seq in range(sizes[-1]):
        proven = prove(folder, seq)
        assert proven.line == lines[seq][:-1]
        assert proven.size == min(size for size in sizes if size > seq)
        checked = check_proof(str(proven.proof), lines[seq], public_key=KEY.public)
        assert checked.holds, checked.problem
        assert (checked.seq, checked.origin, checked.size) == (seq, log.origin, proven.size)
        assert prove(folder, seq, latest=True).size == sizes[-1]
    with pytest.raises(ProofError, match=f"no checkpoint covers line {sizes[-1]} yet"):
        prove(folder, sizes[-1])
    for seq in (log.seq, -1, 10**30):
        with pytest.raises(ProofError):
            prove(folder, seq)


def test_a_log_whose_head_is_gone_proves_what_is_there(tmp_path: Path) -> None:
    """The first line that is there states the tree before it."""
    log = three_days()
    lines = all_lines(log)
    folder = log.save(tmp_path / "log")
    for gone in (FIRST, SECOND):
        first = len(log.lines(FIRST)) if gone == FIRST else lines.index(log.lines(THIRD)[0])
        (folder / gone).unlink()
        for seq in range(first, log.seq - 1):
            proven = prove(folder, seq)
            assert check_proof(str(proven.proof), lines[seq], public_key=KEY.public).holds
        with pytest.raises(ProofError, match=f"the log's first line is seq {first}"):
            prove(folder, first - 1)


def test_archives_prove_as_plain_segments_do(tmp_path: Path) -> None:
    """The same text."""
    log = three_days()
    folder = log.save(tmp_path / "log")
    before = [str(prove(folder, seq).proof) for seq in range(log.seq - 1)]
    for name in (FIRST, SECOND):
        log.archive(folder, name)
    assert [str(prove(folder, seq).proof) for seq in range(log.seq - 1)] == before


def test_a_redacted_line_stands_in_the_tree_by_its_leaf(tmp_path: Path) -> None:
    """Other lines are proven as before; it is too, for those who kept it."""
    log = three_days()
    lines = all_lines(log)
    before = str(prove(log.save(tmp_path / "log"), 4).proof)
    log.redact(3)
    folder = log.save(tmp_path / "log")
    assert str(prove(folder, 4).proof) == before
    proven = prove(folder, 3)
    assert proven.line is None
    assert check_proof(str(proven.proof), lines[3], public_key=KEY.public).holds
    stub = log.lines(FIRST)[3]
    assert not check_proof(str(proven.proof), stub, public_key=KEY.public).holds


def test_a_checkpoint_without_a_signature_proves_nothing(tmp_path: Path) -> None:
    """And the message names what to configure."""
    folder = three_days(None).save(tmp_path / "log")
    with pytest.raises(
        ProofError, match=r"give the handler a signing_key .*or-audit init DIR --signing-key FILE"
    ):
        prove(folder, 2)


def test_a_public_key_chooses_the_checkpoint(tmp_path: Path) -> None:
    """The first one that this key signed."""
    log = LogBuilder(signing=OTHER)
    log.user()
    log.checkpoint()
    log.signing = KEY
    log.checkpoint()
    folder = log.save(tmp_path / "log")
    assert prove(folder, 2).size == 3
    assert prove(folder, 2, public_key=OTHER.public).size == 3
    proven = prove(folder, 2, public_key=str(KEY.verifier_key(log.origin)))
    assert proven.size == 4
    line = log.lines()[2]
    assert check_proof(str(proven.proof), line, public_key=KEY.public).holds
    assert not check_proof(str(proven.proof), line, public_key=OTHER.public).holds
    with pytest.raises(ProofError, match="signed by this key"):
        prove(folder, 2, public_key=SigningKey.generate().public)


def test_no_damage_leads_to_a_proof_that_does_not_hold(tmp_path: Path) -> None:
    """Each line changed, dropped, doubled or swapped: a refusal, or a proof of what was there."""
    log = three_days()
    lines = all_lines(log)
    refused = 0
    for name in (FIRST, SECOND, THIRD):
        whole = log.segments[name]
        parts = log.lines(name)
        for at in range(len(parts)):
            damaged = [
                [*parts[:at], parts[at].replace(b"0", b"1", 1), *parts[at + 1 :]],
                parts[:at] + parts[at + 1 :],
                [*parts[:at], parts[at], *parts[at:]],
                parts[:at] + parts[at : at + 2][::-1] + parts[at + 2 :],
                [*parts[:at], b"\n", *parts[at:]],
            ]
            for pieces in damaged:
                log.segments[name] = b"".join(pieces)
                folder = log.save(tmp_path / "log")
                for seq in (2, 9, log.seq - 2):
                    try:
                        proven = prove(folder, seq)
                    except (VerificationError, ProofError, ConfigError):
                        refused += 1
                        continue
                    assert check_proof(str(proven.proof), lines[seq], public_key=KEY.public).holds
        log.segments[name] = whole
    assert refused > 40


def test_a_refusal_says_where(tmp_path: Path) -> None:
    """Segment and line of the checkpoint that does not fit, or of the line that is not due."""
    log = three_days()
    parts = log.lines(FIRST)
    log.segments[FIRST] = log.segments[FIRST].replace(b"plain", b"PLAIN", 1)
    with pytest.raises(CheckpointMismatchError, match="not those that were signed") as caught:
        prove(log.save(tmp_path / "one"), 4)
    assert (caught.value.segment, caught.value.line) == (SECOND, 2)
    log.segments[FIRST] = b"".join(parts[:5] + parts[6:])
    with pytest.raises(ChainBrokenError, match="seq 6 stands where seq 5 is due") as broken:
        prove(log.save(tmp_path / "two"), 4)
    assert (broken.value.segment, broken.value.line) == (FIRST, 6)


def test_a_signature_of_our_key_that_does_not_hold_is_said(tmp_path: Path) -> None:
    """Where the public key is at hand when the proof is made."""
    log = three_days()
    note = KEY.sign_note(log.origin, log.heads[3]).split("\n")[-2]
    other = KEY.sign_note(log.origin, log.heads[1]).split("\n")[-2]
    assert note != other
    sealed = log.segments[SECOND]
    at = sealed.index(b"\\u2014 ")
    end = sealed.index(b"\\n", at)
    log.segments[SECOND] = sealed[:at] + other.replace("\u2014", "\\u2014").encode() + sealed[end:]
    folder = log.save(tmp_path / "log")
    with pytest.raises(SignatureError):
        prove(folder, 4, public_key=KEY.public)
    proven = prove(folder, 4)
    problem = check_proof(str(proven.proof), log.lines(FIRST)[4], public_key=KEY.public).problem
    assert problem is not None
    assert "signature does not hold" in problem


def test_where_no_log_is_there_is_no_proof(tmp_path: Path) -> None:
    """An empty folder, none, a file."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("text")
    for path in (tmp_path / "empty", tmp_path / "none", tmp_path / "file", ""):
        with pytest.raises(ConfigError):
            prove(path, 0)


def test_a_proof_holds_for_nothing_else(tmp_path: Path) -> None:
    """Another line, log, key, origin, or a byte changed anywhere."""
    log = three_days()
    lines = all_lines(log)
    folder = log.save(tmp_path / "log")
    text = str(prove(folder, 4).proof)

    def problem(
        line: bytes = lines[4], proof: str = text, key: SigningKey = KEY, origin: str | None = None
    ) -> str:
        return check_proof(proof, line, public_key=key.public, origin=origin).problem or "none"

    assert problem() == problem(origin=log.origin) == problem(lines[4][:-1]) == "none"
    assert "the line is seq 3" in problem(lines[3])
    assert "not of audit.example/x" in problem(origin="audit.example/x")
    assert "not signed by this public key" in problem(key=OTHER)
    assert "no sealed line" in problem(b"")
    assert "no sealed line" in problem(lines[4][:-1] + b"\r\n")
    assert "not lead to the checkpoint's root" in problem(lines[4].replace(b"plain", b"other"))
    elsewhere = LogBuilder(log_id=bytes(16), signing=KEY)
    elsewhere.user(5)
    assert f"of the log {'0' * 16}" in problem(elsewhere.lines()[4])
    assert "signature does not hold" in problem(proof=text.replace(f"\n{prove(folder, 4).size}\n", "\n999\n"))
    for position in range(len(lines[4]) - 1):
        changed = bytearray(lines[4])
        changed[position] ^= 1
        assert problem(bytes(changed)) != "none"
    for position, character in enumerate(text):
        try:
            changed_text = text[:position] + ("0" if character != "0" else "1") + text[position + 1 :]
            assert problem(proof=changed_text) != "none"
        except FormatError:
            pass


def test_extra_data_changes_nothing(tmp_path: Path) -> None:
    """It may be there, and nothing vouches for it."""
    log = three_days()
    text = str(prove(log.save(tmp_path / "log"), 4).proof).replace("\n", "\nextra AAEC\n", 1)
    assert parse_proof(text).extra == b"\0\1\2"
    assert check_proof(text, log.lines(FIRST)[4], public_key=KEY.public).holds


STEPS = ("user", "users", "checkpoint", "unsigned", "open", "torn")


@settings(deadline=None)
@given(st.lists(st.sampled_from(STEPS), max_size=14), st.data())
def test_whatever_a_log_went_through_its_lines_are_proven(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], data: st.DataObject
) -> None:
    """Up to the last signed checkpoint, in one segment or many, the first ones gone or not."""
    log = LogBuilder(signing=KEY)
    signed = [1]
    for step in steps:
        if step == "user":
            log.user()
        elif step == "users":
            log.user(7)
        elif step == "checkpoint":
            signed.append(log.seq)
            log.checkpoint()
        elif step == "unsigned":
            log.signing = None
            log.checkpoint()
            log.signing = KEY
        elif step == "torn":
            log.torn(b"torn")
        else:
            signed.append(log.seq + 1)
            log.open(DAY, len(log.segments))
    lines = all_lines(log)
    folder = log.save(tmp_path_factory.mktemp("log"))
    names = list(log.segments)
    gone = data.draw(st.integers(0, len(names) - 1), "segments gone")
    first = sum(b'"mac":"' in line for name in names[:gone] for line in log.lines(name))
    for name in names[:gone]:
        (folder / name).unlink()
    for seq, line in enumerate(lines):
        if seq >= signed[-1] or seq < first:
            with pytest.raises(ProofError):
                prove(folder, seq)
            continue
        proven = prove(folder, seq)
        assert proven.size == min(size for size in signed if size > seq)
        checked = check_proof(str(proven.proof), line, public_key=KEY.public)
        assert checked.holds, checked.problem


@given(st.text(max_size=100), st.binary(max_size=100))
def test_checking_raises_nothing_but_its_own_errors(text: str, line: bytes) -> None:
    """Any text for a proof, any bytes for a line."""
    with pytest.raises(FormatError):
        check_proof(text, line, public_key=KEY.public)
    log = LogBuilder(signing=KEY)
    proof = f"c2sp.org/tlog-proof@v1\nindex 0\n\n{KEY.sign_note(log.origin, log.heads[1])}"
    assert check_proof(proof, log.lines()[0], public_key=KEY.public).holds
    assert not check_proof(proof, line, public_key=KEY.public).holds


def test_what_the_commands_hand_over_is_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Proof, line and public key in another folder, in another process, without a secret."""
    log = three_days()
    folder = log.save(tmp_path / "log")
    handed = tmp_path / "handed over"
    handed.mkdir()
    public = handed / "audit.pub"
    public.write_text(KEY.public.to_pem())
    proof, line = handed / "7.tlog-proof", handed / "7.jsonl"
    assert main(["prove", str(folder), "--seq", "7", "-o", str(proof), "--line", str(line)]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "proof of seq 7" in said.err
    assert line.read_bytes() == all_lines(log)[7]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OR_AUDIT")}
    command = ["-m", "or_audit_logging", "check-proof", proof.name, "--line", line.name]
    done = run_python(*command, "--public-key", public.name, cwd=handed, environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("HOLDS\n")
    assert log.origin in done.stdout
    assert SECRET.decode() not in proof.read_text()


def test_check_proof_exits_by_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 it holds, 1 it does not, 2 it could not be checked; as JSON too."""
    log = three_days()
    folder = log.save(tmp_path / "log")
    proof, line, public = tmp_path / "proof", tmp_path / "line", str(KEY.verifier_key(log.origin))
    assert main(["prove", str(folder), "--seq", "4", "--line", str(line)]) == 0
    proof.write_text(capsys.readouterr().out, encoding="utf-8")
    command = ["check-proof", str(proof), "--line", str(line), "--public-key", public]
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "holds": True,
        "problem": None,
        "seq": 4,
        "origin": log.origin,
        "size": prove(folder, 4).size,
        "root": log.heads[prove(folder, 4).size].root.hex(),
    }
    assert main([*command, "--origin", "x/y"]) == 1
    assert capsys.readouterr().out.startswith("DOES NOT HOLD\n")
    proof.write_bytes(b"\xff")
    assert main(command) == 2
    assert main([*command[:-1], "not a key"]) == 2
    line.unlink()
    assert main(command) == 2


def test_prove_exits_by_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """1 where the log is not what was signed, 2 where no proof can be made; nothing is written then."""
    log = three_days()
    log.segments[FIRST] = log.segments[FIRST].replace(b"plain", b"PLAIN", 1)
    output = tmp_path / "proof"
    command = ["--seq", "4", "-o", str(output)]
    assert main(["prove", str(log.save(tmp_path / "log")), *command]) == 1
    assert f"{SECOND}:2: " in capsys.readouterr().err
    unsigned = three_days(None).save(tmp_path / "unsigned")
    assert main(["prove", str(unsigned), *command]) == 2
    assert "signing_key" in capsys.readouterr().err
    assert not output.exists()
    inside = unsigned / FIRST
    before = inside.read_bytes()
    assert main(["prove", str(unsigned), "--seq", "4", "-o", str(inside)]) == 2
    assert inside.read_bytes() == before
    redacted = three_days()
    redacted.redact(3)
    folder = redacted.save(tmp_path / "redacted")
    assert main(["prove", str(folder), "--seq", "3", "--line", str(tmp_path / "line")]) == 2
    assert "was redacted" in capsys.readouterr().err
