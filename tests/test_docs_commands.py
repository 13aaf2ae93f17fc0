"""Commands that the docs name: they exist, with their options, and an erasure goes as it is told."""

from __future__ import annotations

import argparse
import json
import logging
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from freezegun import freeze_time
from samples import ANSWER, MESSAGES, REPOSITORY, audit_record
from test_readme import blocks

from or_audit_logging import AuditFileHandler, audit_call, emit, query, verify
from or_audit_logging.cli.main import main, parser

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
COMPLIANCE = (REPOSITORY / "docs" / "compliance.md").read_text("utf-8")
PRIVACY = (REPOSITORY / "docs" / "privacy.md").read_text("utf-8")

_NO_BRACKETS = str.maketrans("[]", "  ")
_CLAIMS = re.compile(r"\b(?:compliant|certified|guarantee\w*|ensures?|tamper-proof)\b")


def named(text: str) -> Iterator[list[str]]:
    """Yield the words of each `or-audit` command in console blocks and between backticks."""
    spans = re.findall(
        r"`(or-audit [^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    )
    lines = re.findall(r"^\s*(or-audit .+)$", "".join(blocks(text, "console")), flags=re.MULTILINE)
    for command in spans + lines:
        words = (
            re.split(r"  #|[|<>;]", command.replace("\n", " "))[0].replace("[", " ").replace("]", " ").split()
        )
        if len(words) > 1 and re.fullmatch(r"[a-z-]+", words[1]):
            yield words[1:]


def commands_of(parent: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the commands below *parent*, by name."""
    for action in parent._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def trouble_with(words: list[str]) -> str | None:
    """Return what in a command does not exist."""
    at, rest = parser(), words
    while below := commands_of(at):
        if not rest or rest[0] not in below:
            if at.prog == "or-audit":
                return f"no command {' '.join(words[:1])}"
            break
        at, rest = below[rest[0]], rest[1:]
    known = {option for action in at._actions for option in action.option_strings}
    if commands_of(at):
        known |= {o for sub in commands_of(at).values() for a in sub._actions for o in a.option_strings}
    unknown = [word.split("=")[0] for word in rest if word.startswith("-") and word != "-"]
    return next((f"no option {option}" for option in unknown if option not in known), None)


def every_command(parent: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield the commands below *parent*, and those below them."""
    for command in commands_of(parent).values():
        yield command
        yield from every_command(command)


@pytest.mark.parametrize("command", [*every_command(parser())], ids=lambda command: str(command.prog))
def test_the_help_of_a_command_has_an_example_and_its_exit_codes(command: argparse.ArgumentParser) -> None:
    """The example's words exist, too."""
    epilog = command.epilog or ""
    found = re.search(r"example: or-audit ([^<>;|,]+?)(?:[.,;:] |[<>;|,]|$)", epilog)
    assert found is not None, epilog
    assert trouble_with(found[1].split()) is None
    assert re.search(r"[Ee]xit codes: 0 ", epilog), epilog


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_commands_and_options_that_a_page_names_exist(page: Path) -> None:
    """What the docs say can be typed."""
    wrong = {
        " ".join(words): trouble
        for words in named(page.read_text("utf-8"))
        if (trouble := trouble_with(words)) is not None
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("command", "trouble"),
    [
        ("or-audit verify DIR --anchor FILE", None),
        ("or-audit verify DIR --anchors FILE", "no option --anchors"),
        ("or-audit very DIR", "no command very"),
    ],
)
def test_a_command_that_does_not_exist_is_found(command: str, trouble: str | None) -> None:
    """The test above is not empty."""
    assert [trouble_with(words) for words in named(f"see `{command}`")] == [trouble]
    assert [trouble_with(words) for words in named(f"```console\n{command}\n```\n")] == [trouble]


def test_the_compliance_page_claims_nothing_that_it_cannot() -> None:
    """It helps to show; it does not say that anything is complied with."""
    assert len(list(named(COMPLIANCE))) > 30
    assert _CLAIMS.findall(re.sub(r'"[^"]*"', "", COMPLIANCE)) == []
    for section in ("PCI DSS v4.0.1", "HIPAA", "NIST SP 800-53", "EU AI Act"):
        assert re.search(rf"^## .*{re.escape(section)}.*\n\nSource: ", COMPLIANCE, re.MULTILINE), section


def test_the_privacy_page_s_erasure_goes_as_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], audit_key: bytes
) -> None:
    """Its commands one after the other; the person has three lines on a day that is over."""
    monkeypatch.chdir(tmp_path)
    with freeze_time("2026-11-21T10:00:00Z"):
        _write_a_day("ann@example.com")
    with freeze_time("2026-11-22T10:00:00Z"):
        _write_a_day("u-7")
        assert main(["import", "audit_logs", "audit.db"]) == 0
        capsys.readouterr()
        (tmp_path / "elsewhere").mkdir()
        said = []
        for block in blocks(PRIVACY, "console"):
            for line in block.splitlines():
                words = shlex.split(line.replace("ELSEWHERE", "elsewhere"))
                assert words[0] == "or-audit"
                assert main(words[1:]) == 0, line
                said.append(capsys.readouterr().out)
        listed, dry, done = said[0], said[3], said[4]
        assert listed.splitlines()[-1] == "--seq 3 --seq 4 --seq 5"
        assert [line.split()[-1] for line in dry.splitlines()] == ["3", "4", "5"]
        assert done.count("under the log.redact") == 3
        assert any(text.startswith("VERIFIED") for text in said)
        assert json.loads((tmp_path / "ann.json").read_text()) == []  # asked for after the erasure
        for place in ("audit_logs", "audit.db"):
            assert verify(place).redacted == 3
            assert [record.user_id for record in query(place)] == ["u-8", "u-7", "u-8"]


def _write_a_day(person: str) -> None:
    """A call of *person*'s with a record before it, somebody else's, and what the provider said of both."""
    handler = AuditFileHandler("audit_logs/audit.jsonl")
    logger = logging.getLogger("openrouter.audit")
    logger.addHandler(handler)
    for user, generation in ((person, "gen-1"), ("u-8", "gen-2")):
        with audit_call(model="fake/model", messages=MESSAGES, user_id=user, write_ahead=True) as call:
            call.response(ANSWER | {"id": generation})
        emit(audit_record(event_type="generation", generation_id=generation))
    logger.removeHandler(handler)
    handler.close()
