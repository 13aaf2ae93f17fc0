"""`or-audit redact` and `or-audit token`, as processes and in place."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import Protocol

import pytest

from or_audit_logging import AuditRecord
from or_audit_logging.cli.main import main
from or_audit_logging.digest import prompt_digest, pseudonym
from or_audit_logging.sealing.chain import digest_key

MAIL = "ann@example.com"


def or_audit(*arguments: str, stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run the command with *stdin*."""
    command = [sys.executable, "-m", "or_audit_logging", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False)


class InPlace(Protocol):
    """The command within this process."""

    def __call__(self, *arguments: str, stdin: bytes) -> subprocess.CompletedProcess[bytes]: ...


@pytest.fixture
def in_place(monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> InPlace:
    """Return a function that does as `or_audit`, without another interpreter."""

    def run(*arguments: str, stdin: bytes) -> subprocess.CompletedProcess[bytes]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = main(arguments)
        return subprocess.CompletedProcess(arguments, code, *capsysbinary.readouterr())

    return run


def test_text_is_redacted_as_a_filter() -> None:
    """Bytes that are no UTF-8 and line ends stay; counts go to stderr, and none of the text."""
    text = f"mail {MAIL}\r\ncard 4111 1111 1111 1111 \xe9\n".encode("latin-1")
    done = or_audit("redact", "--action", "CARD=mask", "--allow", "@example.org", stdin=text)
    assert done.stdout == b"mail [EMAIL]\r\ncard [CARD:*1111] \xe9\n"
    assert done.stderr.split() == [b"CARD", b"1,", b"EMAIL", b"1"]
    assert done.returncode == 0


def test_a_key_over_several_lines_goes_as_a_whole(in_place: InPlace) -> None:
    """Text is not read line by line."""
    key = "-----BEGIN PRIVATE KEY-----\nQUJD\nQUJD\n-----END PRIVATE KEY-----"
    done = in_place("redact", "--quiet", stdin=f"a\n{key}\nb\n".encode())
    assert done.stdout == b"a\n[SECRET]\nb\n"
    assert done.stderr == b""


def test_a_long_text_comes_out_whole(in_place: InPlace) -> None:
    """In pieces, with and without ends of lines and paragraphs."""
    for end in (b"\n", b"\n\n", b" "):
        text = (b"word " * 50 + b"ann@example.com" + end) * 4_000
        done = in_place("redact", stdin=text)
        assert done.stdout == text.replace(MAIL.encode(), b"[EMAIL]")
        assert done.stderr == b"EMAIL 4000\n"


def test_json_lines_are_redacted_by_value() -> None:
    """Deny keys and safe keys count; a line that is no JSON is left out, and said."""
    lines = [
        {"to": MAIL, "password": "x y", "generation_id": "gen-1718900000-abcdefghijklmnopqrst"},
        ["caf\u00e9", 4111111111111111],
    ]
    stdin = "".join(json.dumps(line) + "\n" for line in lines) + f"not JSON {MAIL}\n\n"
    done = or_audit("redact", "--json", stdin=stdin.encode())
    first, second, third = map(json.loads, done.stdout.decode().splitlines()[:3])
    assert first == lines[0] | {"to": "[EMAIL]", "password": "[SECRET]"}  # type: ignore[operator]
    assert second == ["caf\u00e9", "[CARD]"]
    assert third == "[REDACTION_FAILED]"
    assert done.returncode == 1
    assert b"line 3" in done.stderr
    assert MAIL.encode() not in done.stderr


def test_numbers_come_out_as_they_came_in(in_place: InPlace) -> None:
    """Digit for digit, what is too long to read included; a card goes, also as a float."""
    kept = (
        '{"a":0.10,"b":1e-05,"c":-0,"total_cost":1.10,"d":[1E5,12345678901234567890123],"e":'
        + "9" * 5_000
        + "}"
    )
    cards = '{"f":4111111111111111.0,"g":4111111111111111}'
    surrogate = '"\\ud800"'
    done = in_place("redact", "--json", stdin="\n".join([kept, cards, surrogate, ""]).encode())
    assert done.stdout.decode().splitlines() == [kept, '{"f":"[CARD]","g":"[CARD]"}', surrogate]
    assert done.returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [("--action", "EMAIL"), ("--action", "EMAIL=hide"), ("--pack", "xx"), ("--known-secret", "the secret")],
)
def test_mistakes_are_said(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """With exit code 2."""
    assert main(["redact", *arguments]) == 2
    assert "or-audit:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "value", "like"),
    [("EMAIL", "Ann@Example.com", MAIL), ("phone", "+1 (415) 555-2671", "+14155552671")],
)
def test_a_token_is_the_pseudonym(
    kind: str, value: str, like: str, audit_key: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under the digest key; every spelling gives the same."""
    assert main(["token", "--type", kind, value]) == 0
    assert capsys.readouterr().out == pseudonym(kind.upper(), like, digest_key(audit_key)) + "\n"


def test_a_user_s_token_is_what_records_have(audit_key: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """An address becomes its pseudonym, another id stays."""
    for user in (MAIL, "u-42"):
        assert main(["token", "--type", "USER", user]) == 0
        assert capsys.readouterr().out == f"{AuditRecord.build(user_id=user).user_id}\n"


def test_a_prompt_s_token_is_its_hash(audit_key: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a text, or of messages as JSON."""
    messages = [{"role": "user", "content": "hi"}]
    for prompt, value in (("hi [there]", "hi [there]"), (messages, json.dumps(messages))):
        assert main(["token", "--type", "PROMPT", value]) == 0
        assert capsys.readouterr().out == f"{prompt_digest(prompt, digest_key(audit_key))}\n"


def test_a_value_may_come_from_stdin(audit_key: bytes, in_place: InPlace) -> None:
    """So that it does not stand in the shell's history; one line end does not count."""
    done = or_audit("token", "--type", "EMAIL", stdin=f"{MAIL}\n".encode())
    assert done.stdout.decode().strip() == pseudonym("EMAIL", MAIL, digest_key(audit_key))
    assert in_place("token", "--type", "EMAIL", stdin=b"\n").returncode == 2


def test_each_key_has_its_token(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """After a change of keys, older records have the older one."""
    secrets = [b"a visibly fake secret of 32 bytes or more", b"another visibly fake secret of 32 bytes"]
    for name, secret in zip("AB", secrets, strict=True):
        monkeypatch.setenv(name, secret.decode())
    assert main(["token", "--type", "EMAIL", MAIL, "--key", "env:A", "--key", "env:B"]) == 0
    tokens = [pseudonym("EMAIL", MAIL, digest_key(secret)) for secret in secrets]
    assert capsys.readouterr().out.split() == tokens
