"""The README's and the docs' words: every command and block of code in them is executed."""

from __future__ import annotations

import dataclasses
import logging
import logging.config
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import lines_of, records_of
from samples import REPOSITORY, SECRET

from or_audit_logging import AuditRecord
from or_audit_logging.cli.main import main, parser
from or_audit_logging.record import CORE_FIELDS, RARE_FIELDS
from or_audit_logging.sealing.control import MEMBERS

README = (REPOSITORY / "README.md").read_text("utf-8")
FORMAT = (REPOSITORY / "docs" / "format.md").read_text("utf-8")
REDACTION = (REPOSITORY / "docs" / "redaction.md").read_text("utf-8")
BY_MODEL = "SELECT model_used, COUNT(*), SUM(total_cost) FROM audit_log GROUP BY model_used"


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    """Return the command lines of the console blocks, without their comments."""
    lines = "".join(blocks(text, "console")).splitlines()
    return [line.split("  #")[0].strip() for line in lines if line.strip()]


def test_every_block_of_the_readme_has_a_test() -> None:
    """A new kind of block, or a new command, must be executed by a test here."""
    assert set(re.findall(r"^```(\w+)", README, re.MULTILINE)) == {
        "console",
        "python",
        "yaml",
    }
    assert commands(README) == [
        "pip install '.[demo]' && or-audit demo",
        "pip install '.[test]' && pytest -n auto",
        'eval "$(or-audit init audit_logs | grep ^export)"',
        "or-audit checkpoint audit_logs -o ELSEWHERE/audit.anchors",
        "or-audit verify audit_logs --anchor ELSEWHERE/audit.anchors",
        "or-audit query audit_logs --user u-42",
        "or-audit report audit_logs --days 30",
        "or-audit report audit_logs --format html -o report.html --verify",
        f'or-audit sql audit_logs "{BY_MODEL}"',
        "or-audit retain audit_logs --policy operational --dry-run",
        'or-audit hold add audit_logs --name case-7 --since 2026-11-01 --reason "litigation"',
        'or-audit export audit_logs --reason "yearly audit" -o package.zip',
        "or-audit verify package.zip --anchor ELSEWHERE/audit.anchors",
        "or-audit ship audit_logs --to file:ELSEWHERE/audit.jsonl",
        "or-audit ship audit_logs --status",
    ]


def test_the_readme_s_first_use_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """init, the Python blocks one after the other, then the commands: as a new user would."""
    pytest.importorskip("openai")
    from or_audit_logging.testing import FakeOpenRouter

    monkeypatch.chdir(tmp_path)
    init, checkpoint, verify = (command.split()[1:] for command in commands(README)[2:5])
    assert main(init[init.index("init") : init.index("|")]) == 0
    exported = re.search(r"^export OR_AUDIT_KEY_FILE=(\S+)$", capsys.readouterr().out, re.MULTILINE)
    assert exported is not None
    monkeypatch.setenv("OR_AUDIT_KEY_FILE", exported[1])
    namespace: dict[str, object] = {}
    with FakeOpenRouter() as server:
        for block in blocks(README, "python"):
            code = block.replace("https://openrouter.ai/api/v1", server.base_url)
            code = code.replace('api_key="..."', 'api_key="sk-or-v1-fake"')
            exec(compile(code, "README.md", "exec"), namespace)
        client = namespace["client"]
        client.close()  # type: ignore[attr-defined]
    assert capsys.readouterr().out.strip()
    records = records_of(tmp_path / "audit_logs")
    users = ("u-42", "u-42", None, "u-42", "u-7")
    assert [(r["status"], r["user_id"]) for r in records] == [("success", user) for user in users]
    assert records[1]["total_cost"]
    assert (records[2]["streamed"], records[2]["ttft_ms"] is None) == (True, False)
    assert (records[3]["session_id"], records[3]["metadata"]) == ("s-1", {"feature": "faq"})
    assert "What is an audit trail?" not in b"".join(lines_of(tmp_path / "audit_logs")).decode()
    assert main(checkpoint) == 0
    assert main(verify) == 0
    assert capsys.readouterr().out.startswith("VERIFIED")
    asked = []
    for question in commands(README)[5:]:
        assert main(shlex.split(question)[1:]) == 0
        asked.append(capsys.readouterr().out)
    assert [one.count("u-42") > 0 for one in asked[:4]] == [True, True, False, False]
    assert "policy   operational (to be sealed)" in asked[4]
    assert "case-7" in asked[5]
    assert "package.zip" in asked[6]
    assert asked[7].startswith("VERIFIED")
    assert asked[8].startswith("delivered")
    assert "file:" in asked[9]
    shipped = (tmp_path / "ELSEWHERE" / "audit.jsonl").read_bytes()
    assert shipped == b"".join(
        path.read_bytes() for path in sorted((tmp_path / "audit_logs").glob("*.jsonl"))
    )
    assert "calls      5, 5 succeeded (100.0%), 0 failed" in asked[1]
    assert "Integrity: intact as it stands" in (tmp_path / "report.html").read_text("utf-8")
    assert "SUM(total_cost)".lower() in asked[3].lower()


def test_the_readme_s_yaml_configures_logging(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, audit_key: bytes
) -> None:
    """As it stands, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    (text,) = blocks(README, "yaml")
    logging.config.dictConfig(yaml.safe_load(text))
    logging.getLogger("openrouter.audit").info("mail to %s", "ann@example.com")
    assert [r["message"] for r in records_of(tmp_path / "audit_logs")] == ["mail to [EMAIL]"]


def test_the_readme_s_demo_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The first command's second half: calls, costs, VERIFIED, TAMPERED."""
    pytest.importorskip("openai")
    assert main(["demo"]) == 0
    out = capsys.readouterr().out
    assert out.index("1. Calls") < out.index("VERIFIED") < out.index("TAMPERED")


def test_files_the_readme_names_exist() -> None:
    """No dead link in it, nor in the docs."""
    for path in [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text("utf-8")):
            assert (path.parent / target).exists(), f"{path.name} names {target}"


@pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "openssl", "sha256sum", "od"))),
    reason="needs bash, openssl, sha256sum, od",
)
def test_the_worked_example_holds_with_openssl_alone(tmp_path: Path, vectors: object) -> None:
    """docs/format.md's script, run on the vector log, prints what the page says it prints."""
    assert callable(vectors)
    log = vectors("log.json")
    name = "audit_2026-11-21.jsonl"
    (tmp_path / name).write_text("".join(line + "\n" for line in log["segments"][name]), "ascii")
    (tmp_path / "audit.key").write_text(log["secret"] + "\n", "ascii")
    (shown,) = blocks(FORMAT, "json")
    assert shown.strip() == log["segments"][name][3]
    script, printed = "\n".join(blocks(FORMAT, "bash")), "".join(blocks(FORMAT, "text"))
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run(
        [bash, "-eu", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == (printed, "")


def test_the_format_page_lists_the_members_of_the_lines_it_describes() -> None:
    """Each control line this version writes, with its members in order."""
    written = ("log.checkpoint", "log.recover", "log.lost")
    for event in written:
        (row,) = re.findall(rf"^\| {re.escape(event)} \|.*\| (.*) \|$", FORMAT, re.MULTILINE)
        assert tuple(re.sub(r"\(.*?\)", "", row).replace(" ", "").split(",")) == MEMBERS[event]


def test_the_record_page_lists_every_field() -> None:
    """In schema order, core and rare told apart."""
    page = (REPOSITORY / "docs" / "record.md").read_text("utf-8")
    rows = re.findall(r"^\| (\w+) \| (core|rare) \|", page, re.MULTILINE)
    names = [f.name for f in dataclasses.fields(AuditRecord) if f.name != "redacted_under"]
    assert [name for name, _ in rows] == names
    assert {name for name, kind in rows if kind == "core"} == set(CORE_FIELDS)
    assert {name for name, kind in rows if kind == "rare"} == set(RARE_FIELDS)


def test_the_configuration_page_lists_every_parameter() -> None:
    """The handler's own list and the page agree."""
    from or_audit_logging.handlers.file import AuditFileHandler

    page = (REPOSITORY / "docs" / "configuration.md").read_text("utf-8")
    section = page.split("## AuditFileHandler")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\w+) \|", section.split("\n\n")[1], re.MULTILINE)[1:]
    code = AuditFileHandler.__init__.__code__
    assert list(code.co_varnames[1 : 1 + code.co_argcount - 1 + code.co_kwonlyargcount]) == rows


def test_every_command_has_help_with_an_example() -> None:
    """`or-audit COMMAND --help` shows how it is called."""
    actions = [action for action in parser()._actions if action.choices]
    assert len(actions) == 1
    choices = actions[0].choices
    assert isinstance(choices, dict)
    for name, command in choices.items():
        assert f"example: or-audit {name}" in command.format_help()


def test_the_module_runs_as_a_command() -> None:
    """`python -m or_audit_logging` is `or-audit`."""
    done = subprocess.run(
        [sys.executable, "-m", "or_audit_logging", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.startswith("or-audit ")
    assert SECRET.decode() not in done.stdout


def test_the_redaction_page_s_examples_work(audit_key: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its Python runs, and the options of its filter are taken as they stand."""
    for block in blocks(REDACTION, "python"):
        exec(compile(block, "redaction.md", "exec"), {})
    options = yaml.safe_load(blocks(REDACTION, "yaml")[0])["filters"]["redact"]
    monkeypatch.setenv("OPENROUTER_API_KEY", "not in the usual form")
    redactor = logging.config.DictConfigurator({"f": options}).configure_custom(options).redactor
    text = "staff EMP-123456, +1 415 555 0123, 192.168.1.1, not in the usual form"
    assert redactor.redact(text).text == "staff [STAFF_NUMBER], +1 415 555 0123, 192.168.1.1, [SECRET]"


def test_each_line_for_people_who_come_from_the_examples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], audit_key: bytes
) -> None:
    """In the order of the table, in one namespace."""
    pytest.importorskip("openai")
    monkeypatch.chdir(tmp_path)
    text = (REPOSITORY / "docs" / "from-the-skill.md").read_text("utf-8")
    rows = [[cell.strip() for cell in row.split(" | ")] for row in text.splitlines() if row.startswith("| `")]
    names: dict[str, object] = {}
    exec("from or_audit_logging import *", names)
    for _, _, code in rows:
        exec(code.strip("`| "), names)
    said = (
        "unanchored\nwrite to [EMAIL]\n['u-7']\n1\n[]\n4\n0\n"  # 4: genesis, checkpoint, log.start, the call
    )
    assert capsys.readouterr().out == said
    assert [record["user_id"] for record in records_of(tmp_path / "audit_logs")] == ["u-7"]
