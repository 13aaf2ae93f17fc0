"""What a public key adds: who vouches for a log, without any secret."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from log_builder import KEPT_AT, NEXT_DAY, OTHER_SECRET, THIRD_DAY, LogBuilder, key

from or_audit_logging.cli.main import main
from or_audit_logging.errors import CheckpointMismatchError, ConfigError, MissingExtraError
from or_audit_logging.evidence import ahead
from or_audit_logging.evidence.anchors import Anchor, read_anchors
from or_audit_logging.evidence.report import VerificationReport
from or_audit_logging.evidence.verify import verify
from or_audit_logging.sealing.checkpoint import parse_note

pytest.importorskip("cryptography", reason="needs the extra sign")

from or_audit_logging.sealing.note import PublicKey, SigningKey

SIGNING, OTHER = SigningKey.generate(), SigningKey.generate()
PUBLIC = SIGNING.public
FIRST = "audit_2026-11-21.jsonl"
LAST_SIGNED = 10
"""Last seq that a checkpoint in `signed_log` covers."""


def signed_log(signing: SigningKey | None = SIGNING, **options: Any) -> LogBuilder:
    """Return a log of two segments and fourteen lines with four signed checkpoints, the last at seq 11."""
    log = LogBuilder(signing=signing, **options)
    log.user(3)
    log.checkpoint()
    log.open(NEXT_DAY)
    log.user(3)
    log.checkpoint()
    log.user(2)
    return log


def signed_anchor(log: LogBuilder, size: int | None = None, signing: SigningKey = SIGNING) -> Anchor:
    """Return a signed checkpoint that was kept elsewhere."""
    anchor = log.anchor(size)
    return replace(anchor, note=parse_note(signing.sign_note(log.origin, log.heads[anchor.size])))


def kinds(report: VerificationReport) -> list[str]:
    return [finding.kind for finding in report.findings]


def test_public_key_and_anchor_verify_without_a_secret(tmp_path: Path) -> None:
    """That is what an auditor has who trusts nobody with the log."""
    log = signed_log()
    report = verify(log.save(tmp_path), public_key=PUBLIC, anchors=[signed_anchor(log)])
    assert (report.verdict, report.tail, report.notes) == ("verified", "anchored", ())
    assert (report.anchored_to, report.anchored_at, report.signed_to) == (13, KEPT_AT, LAST_SIGNED)
    report = verify(tmp_path, public_key=PUBLIC, anchors=[signed_anchor(log, 5)])
    assert (report.verdict, report.anchored_to, report.tail) == ("verified", 4, "unchecked")
    assert f"Signed up to seq {LAST_SIGNED}" in report.summary()


def test_public_key_alone_leaves_the_end_open(tmp_path: Path) -> None:
    """What is signed in the log was vouched for; nothing from outside bounds its end."""
    log = signed_log()
    report = verify(log.save(tmp_path), public_key=PUBLIC)
    assert (report.verdict, report.exit_code, report.signed_to) == ("unanchored", 3, LAST_SIGNED)
    assert (
        "up to seq 10 vouched for by checkpoints in the log; 3 lines after that unchecked" in report.summary()
    )


def test_secret_and_public_key_go_together(tmp_path: Path) -> None:
    """With both, seals and signatures are checked."""
    log = signed_log()
    report = verify(log.save(tmp_path), key=key(), public_key=PUBLIC, anchors=[signed_anchor(log, 8)])
    assert (report.verdict, report.tail, report.key_checked) == ("verified", "chain-only", True)
    assert verify(tmp_path, key=key(), public_key=PUBLIC).verdict == "unanchored"


@pytest.mark.parametrize(
    "form", ["pem", "verifier key", "pem file", "verifier key file", "path", "list", "value"]
)
def test_a_public_key_comes_in_many_forms(tmp_path: Path, form: str) -> None:
    """A PEM, a verifier key, a file that holds one of them, several."""
    log = signed_log()
    vkey, pem = str(PUBLIC.for_origin(log.origin)), PUBLIC.to_pem()
    file = tmp_path / "audit.pub"
    file.write_text(pem if form.startswith("pem") or form == "path" else vkey)
    forms: dict[str, Any] = {
        "pem": pem,
        "verifier key": vkey,
        "pem file": str(file),
        "verifier key file": str(file),
        "path": file,
        "list": [OTHER.public, pem],
        "value": PUBLIC,
    }
    report = verify(log.save(tmp_path / "log"), public_key=forms[form])
    assert (report.verdict, report.signed_to) == ("unanchored", LAST_SIGNED)


@pytest.mark.parametrize("wrong", ["no such file", [], "", 7, [7], SIGNING.to_pem().decode(), None])
def test_what_is_no_public_key_is_refused(tmp_path: Path, wrong: Any) -> None:
    """Only the caller's mistakes raise; no key is no mistake."""
    signed_log().save(tmp_path)
    if wrong is None:
        assert verify(tmp_path, public_key=None).verdict == "cannot verify"
        return
    with pytest.raises(ConfigError):
        verify(tmp_path, public_key=wrong)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `cryptography` no signature can be checked, and nothing is passed over in silence."""
    signed_log().save(tmp_path)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(MissingExtraError) as caught:
        verify(tmp_path, public_key=PUBLIC)
    assert caught.value.extra == "sign"
    assert verify(tmp_path, key=key()).verdict == "unanchored"


# keys that do not fit


def test_another_logs_public_key_cannot_verify(tmp_path: Path) -> None:
    """Like a secret that is not this log's: nothing can be said."""
    log = signed_log()
    log.save(tmp_path)
    pinned_elsewhere = PublicKey(PUBLIC.public, "elsewhere/audit/0000000000000000")
    for public in (OTHER.public, pinned_elsewhere):
        report = verify(tmp_path, public_key=public)
        assert (report.verdict, report.findings, report.signed_to) == ("cannot verify", (), None)
        assert "not that of this log" in report.summary()
        assert verify(tmp_path, key=key(), public_key=public).verdict == "cannot verify"


def test_a_log_without_signatures_has_no_public_key(tmp_path: Path) -> None:
    """Whoever expects signatures hears that there are none."""
    log = signed_log(None)
    report = verify(log.save(tmp_path), public_key=PUBLIC)
    assert report.verdict == "cannot verify"
    assert "states no signing key" in report.summary()


def test_an_unsigned_log_may_have_signed_anchors(tmp_path: Path) -> None:
    """Whoever keeps checkpoints may sign them."""
    log = signed_log(None)
    report = verify(log.save(tmp_path), public_key=PUBLIC, anchors=[signed_anchor(log)])
    assert report.verdict == "verified"


def test_a_log_that_has_no_checkpoint_yet(tmp_path: Path) -> None:
    """The key is the log's, and nothing is signed so far."""
    log = LogBuilder(signing=SIGNING, day=None)
    log.open("2026-11-21", checkpoint=False)
    report = verify(log.save(tmp_path), public_key=PUBLIC)
    assert (report.verdict, report.signed_to) == ("cannot verify", None)
    assert "no line is covered by a signed checkpoint" in report.summary()


def test_the_signing_key_may_change(tmp_path: Path) -> None:
    """Each signature is checked with the key that the log states for its time."""
    log = signed_log()
    log.rotate(OTHER_SECRET, signing=OTHER)
    log.user(2)
    log.open(THIRD_DAY)
    log.user()
    last = log.seq - 1
    log.checkpoint()
    log.save(tmp_path)
    report = verify(tmp_path, public_key=[PUBLIC, OTHER.public])
    assert (report.verdict, report.signed_to) == ("unanchored", last)
    report = verify(tmp_path, public_key=PUBLIC)
    assert (report.verdict, report.signed_to) == ("cannot verify", LAST_SIGNED)
    assert f"checkpoints up to seq {last} was not given" in report.summary()
    report = verify(tmp_path, public_key=OTHER.public)
    assert (report.verdict, report.signed_to) == ("unanchored", last)
    both = [key(), key(OTHER_SECRET)]
    assert verify(tmp_path, key=both, public_key=[PUBLIC, OTHER.public]).verdict == "unanchored"
    anchor = signed_anchor(log, signing=OTHER)
    assert verify(tmp_path, public_key=[PUBLIC, OTHER.public], anchors=[anchor]).verdict == "verified"


def test_a_key_that_was_changed_signs_no_more(tmp_path: Path) -> None:
    """A note by the old key behind the change is no signature of the log."""
    log = signed_log()
    log.rotate(signing=OTHER)
    log.signing = SIGNING
    log.checkpoint()
    report = verify(log.save(tmp_path), public_key=[PUBLIC, OTHER.public])
    assert kinds(report) == ["signature"]


# signatures in the log


def test_a_signature_that_does_not_hold_is_a_finding(tmp_path: Path) -> None:
    """Also where the secret's holder put it there: the secret does not make signatures."""
    forged = SigningKey.generate()
    for change in (lambda text: text[:-8] + ("A" if text[-8] != "A" else "B") + text[-7:], lambda text: text):
        log = signed_log()
        good = SIGNING.sign_note(log.origin, log.heads[-1])
        bad = change(good) if change(good) != good else forged.sign_note(log.origin, log.heads[-1])
        log.signing = type("Stub", (), {"sign_note": lambda self, origin, head, bad=bad: bad})()
        log.checkpoint()
        report = verify(log.save(tmp_path), key=key(), public_key=PUBLIC)
        assert kinds(report) == ["signature"]
        with pytest.raises(CheckpointMismatchError):
            report.raise_for_findings()
        assert verify(tmp_path, public_key=PUBLIC, anchors=[signed_anchor(log)]).verdict == "tampered"


def test_a_note_without_a_signature_is_a_finding(tmp_path: Path) -> None:
    """Where a log is signed, a note that nobody signed was stripped."""
    log = signed_log()
    log.signing = type("Stub", (), {"sign_note": lambda self, origin, head: log.note()})()
    log.checkpoint()
    assert kinds(verify(log.save(tmp_path), public_key=PUBLIC)) == ["signature"]


def test_a_checkpoint_without_a_note_vouches_for_nothing(tmp_path: Path) -> None:
    """A process without the signing key writes such ones."""
    log = signed_log()
    log.signing = None
    log.checkpoint()
    report = verify(log.save(tmp_path), public_key=PUBLIC)
    assert (report.verdict, report.signed_to) == ("unanchored", LAST_SIGNED)


def test_an_edit_before_a_signed_checkpoint_is_found_without_a_secret(tmp_path: Path) -> None:
    """Each line up to the last signed checkpoint is bound, each bit of it."""
    log = signed_log()
    log.save(tmp_path)
    data = log.segments[FIRST]
    for at in range(0, len(data), 13):
        (tmp_path / FIRST).write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert verify(tmp_path, public_key=PUBLIC).verdict == "tampered", at


def test_a_rewritten_log_does_not_pass(tmp_path: Path) -> None:
    """Whoever has the secret and not the signing key cannot write a log anew, in whole or in part."""
    honest = signed_log()
    anchor = signed_anchor(honest, 9)
    rewritten = LogBuilder(signing=OTHER)
    rewritten.user(20)
    rewritten.checkpoint()
    report = verify(rewritten.save(tmp_path / "whole"), key=key(), public_key=PUBLIC, anchors=[anchor])
    assert report.verdict == "tampered"
    assert verify(tmp_path / "whole", key=key(), public_key=PUBLIC).verdict == "cannot verify"
    forked = LogBuilder(signing=SIGNING)
    forked.user(3)
    forked.signing = OTHER
    forked.user(9)
    forked.checkpoint()
    report = verify(forked.save(tmp_path / "forked"), key=key(), public_key=PUBLIC)
    assert kinds(report) == ["signature"]


# anchors


def test_an_anchor_counts_by_its_signature(tmp_path: Path) -> None:
    """Unsigned, signed by another, forged: none of them bounds or convicts."""
    log = signed_log()
    log.save(tmp_path)
    good = signed_anchor(log)
    assert good.note is not None
    first = good.note.signatures[0]
    forged = replace(good.note, signatures=(replace(first, value=bytes(64)),))
    for anchor in (
        log.anchor(),
        replace(log.anchor(), root=bytes(32)),
        signed_anchor(log, signing=OTHER),
        replace(good, note=forged),
    ):
        report = verify(tmp_path, public_key=PUBLIC, anchors=[anchor])
        assert (report.verdict, report.anchored_to) == ("unanchored", None)
        assert [note.kind for note in report.notes] == ["anchor-unsigned"]
        assert verify(tmp_path, public_key=PUBLIC, anchors=[anchor, good]).verdict == "verified"


def test_a_signed_anchor_of_another_tree_convicts(tmp_path: Path) -> None:
    """Two signed trees of one size: the log showed different histories."""
    log, other = signed_log(), signed_log()
    other.user()
    log.user(text="other")
    report = verify(log.save(tmp_path), public_key=PUBLIC, anchors=[signed_anchor(other)])
    assert kinds(report) == ["anchor-root"]


def test_a_cut_log_is_found_without_a_secret(tmp_path: Path) -> None:
    """The end that a signed anchor covers is missing, or all of it."""
    log = signed_log()
    anchor = signed_anchor(log)
    log.segments[log.name] = b"".join(log.lines()[:-1])
    assert kinds(verify(log.save(tmp_path), public_key=PUBLIC, anchors=[anchor])) == ["anchor-size"]
    empty = tmp_path / "empty"
    empty.mkdir()
    assert kinds(verify(empty, public_key=PUBLIC, anchors=[anchor])) == ["anchor-size"]
    assert verify(empty, public_key=OTHER.public, anchors=[anchor]).verdict == "cannot verify"


def test_signed_anchors_are_read_from_files(tmp_path: Path) -> None:
    """A note, a sealed line, a line in JSON: the signature is read with them."""
    log = signed_log()
    note = SIGNING.sign_note(log.origin, log.heads[-1])
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "note").write_text(note)
    (kept / "line").write_text(log.checkpoint())
    assert [anchor.note is not None for anchor in read_anchors(kept)] == [True, True]
    report = verify(log.save(tmp_path / "log"), public_key=PUBLIC, anchors=kept)
    assert (report.verdict, report.anchored_to, report.notes) == ("verified", 13, ())


# what else counts by a signature


def test_certificates_count_under_a_signed_checkpoint(tmp_path: Path) -> None:
    """A log.delete and a log.redact that the signer covered need no anchor."""
    log = signed_log()
    log.open(THIRD_DAY)
    log.redact(8)
    log.delete(f"audit_{NEXT_DAY}.jsonl")
    report = verify(log.save(tmp_path), public_key=PUBLIC)
    assert report.verdict == "cannot verify"
    log.checkpoint()
    report = verify(log.save(tmp_path), public_key=PUBLIC)
    assert (report.verdict, report.deleted_to, report.redacted) == ("unanchored", 5, 1)


def test_an_export_is_checked_with_the_public_key(tmp_path: Path) -> None:
    """Of one log or several, each by its own origin."""
    log, other = signed_log(), signed_log(log_id=bytes(16))
    export = tmp_path / "export"
    export.write_bytes(b"".join([*log.segments.values(), *other.segments.values()]))
    report = verify(export, public_key=PUBLIC, anchors=[signed_anchor(log), signed_anchor(other)])
    assert (report.verdict, [one.signed_to for one in report.logs]) == ("verified", [LAST_SIGNED] * 2)
    export.write_bytes(export.read_bytes().replace(b"plain", b"plaim", 1))
    assert verify(export, public_key=PUBLIC).verdict == "tampered"


def test_the_command_takes_public_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given as a file or as a verifier key, once or several times."""
    log = signed_log()
    folder = str(log.save(tmp_path / "log"))
    (tmp_path / "audit.pub").write_text(PUBLIC.to_pem())
    (tmp_path / "kept").write_text(SIGNING.sign_note(log.origin, log.heads[-1]))
    arguments = ["verify", folder, "--public-key", str(tmp_path / "audit.pub")]
    assert main([*arguments, "--anchor", str(tmp_path / "kept")]) == 0
    assert main([*arguments, "--public-key", str(OTHER.public.for_origin("a/b")), "--json"]) == 3
    assert '"signed_to": 10' in capsys.readouterr().out
    assert main(["verify", folder, "--public-key", "nothing"]) == 2


def test_several_processes_check_signatures_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report is the same, signatures, deletions and redactions included."""
    monkeypatch.setattr(ahead, "WORTH_IT", 0)
    monkeypatch.setattr(ahead, "PART", 1500)
    log = signed_log()
    log.open(THIRD_DAY)
    log.redact(8)
    log.delete(f"audit_{NEXT_DAY}.jsonl")
    log.checkpoint()
    log.save(tmp_path)
    arguments: dict[str, Any] = {"public_key": PUBLIC, "anchors": [signed_anchor(log)]}
    one, two = verify(tmp_path, **arguments), verify(tmp_path, jobs=2, **arguments)
    assert (one.verdict, one.to_dict()) == ("verified", two.to_dict())
