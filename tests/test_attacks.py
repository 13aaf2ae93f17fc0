"""The attacks of docs/threat-model.md, one after the other: who finds what."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from samples import REPOSITORY

pytest.importorskip("cryptography", reason="needs the extra sign")

from attacks import ATTACKS, FIRST, SECOND, SIGNING, THIRD, Attack, Case, Outcome, in_second_day
from line_attacks import LINE_ATTACKS

from or_audit_logging.errors import AuditError
from or_audit_logging.evidence.check_proof import check_proof
from or_audit_logging.evidence.prove import prove
from or_audit_logging.evidence.report import VerificationReport
from or_audit_logging.evidence.verify import verify

each_attack = pytest.mark.parametrize("attack", ATTACKS, ids=[attack.name for attack in ATTACKS])


def verified(case: Case, *, key: bool, public_key: bool) -> VerificationReport:
    """Return the report to who holds the secret, the public key and what was kept elsewhere, or both."""
    arguments: dict[str, Any] = dict(case.arguments)
    if key:
        arguments["key"] = case.ring
    if public_key:
        arguments |= {"public_key": SIGNING.public, "anchors": [case.kept]}
    return verify(case.folder, **arguments)


def assert_outcome(report: VerificationReport, expected: Outcome, *, honest: str) -> None:
    kinds = {finding.kind for finding in report.findings}
    assert (report.verdict, kinds) == (expected.verdict or honest, expected.kinds), report.summary()
    assert expected.note in {None, *(note.kind for note in report.notes)}


def test_the_log_is_honest_before(tmp_path: Path) -> None:
    """What is found is found because of the attack."""
    case = Case(tmp_path)
    for key, public_key, verdict in (
        (True, False, "unanchored"),
        (False, True, "verified"),
        (True, True, "verified"),
    ):
        report = verified(case, key=key, public_key=public_key)
        assert (report.verdict, report.findings, report.notes) == (verdict, (), ())


@each_attack
def test_who_finds_what(tmp_path: Path, attack: Attack) -> None:
    """The holder of the secret; an auditor without it, with public key and anchors; one who has all of it."""
    case = Case(tmp_path)
    attack.commit(case)
    assert_outcome(verified(case, key=True, public_key=False), attack.with_key, honest="unanchored")
    assert_outcome(verified(case, key=False, public_key=True), attack.with_public_key, honest="verified")
    report = verified(case, key=True, public_key=True)
    if "tampered" in (attack.with_key.verdict, attack.with_public_key.verdict):
        assert report.verdict == "tampered"
    else:
        assert report.findings == ()


@pytest.mark.parametrize("name", LINE_ATTACKS)
def test_no_changed_line_can_be_proven(tmp_path: Path, name: str) -> None:
    """Proofs that are made of an attacked log, if any are, hold for lines as they were written."""
    case = Case(tmp_path)
    written = {line.removesuffix(b"\n") for day in (FIRST, SECOND, THIRD) for line in case.lines(day)}
    in_second_day(name)(case)
    for seq in range(len(written)):
        with suppress(AuditError):
            proven = prove(case.folder, seq, latest=seq % 2 == 0)
            if proven.line is not None:
                checked = check_proof(str(proven.proof), proven.line, public_key=SIGNING.public)
                assert (checked.problem, checked.seq, proven.line in written) == (None, seq, True)


def test_the_document_has_these_rows_and_no_others() -> None:
    """Names, and who finds what, stand in its one table as they stand here."""
    text = (REPOSITORY / "docs" / "threat-model.md").read_text("utf-8")
    (table,) = [part for part in text.split("\n\n") if part.startswith("| ")]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]
    assert [(row[0], row[2], row[3]) for row in rows] == [
        (attack.name, attack.with_key.word, attack.with_public_key.word) for attack in ATTACKS
    ]
