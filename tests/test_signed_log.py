"""Logs whose checkpoints are signed: what writers state, who signs, and what auditors hold in the end."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import members_of
from samples import SECRET, audit_record
from stress import Puppet

pytest.importorskip("cryptography", reason="needs the extra sign")

from or_audit_logging import AuditFileHandler, AuditStreamHandler, configure
from or_audit_logging.cli.main import main
from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.verify import verify
from or_audit_logging.handlers.filters import CHECKPOINT_LOGGER
from or_audit_logging.sealing.checkpoint import parse_note
from or_audit_logging.sealing.note import PublicKey, SigningKey

pytestmark = pytest.mark.usefixtures("audit_key")


def signing_file(folder: Path, name: str = "signing.pem") -> tuple[str, PublicKey]:
    """Make a signing key; return the source that names it, and its public half."""
    key = SigningKey.generate()
    path = folder / name
    path.write_bytes(key.to_pem())
    path.chmod(0o600)
    return f"file:{path}", key.public


def write(handler: logging.Handler, count: int = 1) -> None:
    for _ in range(count):
        record = logging.LogRecord("openrouter.audit", logging.INFO, __file__, 1, "x", (), None)
        record.audit = audit_record()
        handler.handle(record)


def in_order(folder: Path) -> list[dict[str, Any]]:
    return sorted(members_of(folder), key=lambda members: members["seq"])


def notes(folder: Path) -> list[Any]:
    return [m["note"] for m in in_order(folder) if m["event_type"] == "log.checkpoint"]


def signed_by(public: PublicKey, folder: Path) -> list[bool]:
    return [note is not None and public.is_signed(parse_note(note)) for note in notes(folder)]


def vkeys(folder: Path) -> list[str | None]:
    """Return the verifier keys that first lines and log.rotate lines state, in order."""
    return [
        m.get("vkey", m.get("next_vkey"))
        for m in in_order(folder)
        if m["event_type"] in ("log.genesis", "log.rotate")
    ]


def test_every_checkpoint_is_a_note_signed_for_the_log(tmp_path: Path) -> None:
    """Genesis states the verifier key; each note is that of the checkpoint's own size and root."""
    source, public = signing_file(tmp_path)
    handler = AuditFileHandler(tmp_path / "log" / "audit.jsonl", signing_key=source, checkpoint_every=3)
    write(handler, 7)
    handler.close()
    members = members_of(tmp_path / "log")
    origin = members[0]["origin"]
    assert vkeys(tmp_path / "log") == [str(public.for_origin(origin))]
    assert all(signed_by(public, tmp_path / "log"))
    for line in (m for m in members if m["event_type"] == "log.checkpoint"):
        note = parse_note(line["note"])
        assert (note.origin, note.head.size) == (origin, line["size"])
    assert verify(tmp_path / "log").findings == ()


def test_a_log_that_was_not_signed_is_signed_from_now_on(tmp_path: Path) -> None:
    """With the first record of a process that has a signing key; one without goes on, unsigned."""
    folder, (source, public) = tmp_path / "log", signing_file(tmp_path)
    without = AuditFileHandler(folder / "audit.jsonl", checkpoint_every=1)
    write(without)
    assert notes(folder) == [None] * len(notes(folder))
    unsigned = len(notes(folder))
    handler = AuditFileHandler(folder / "audit.jsonl", signing_key=source, checkpoint_every=1)
    write(handler)
    assert all(signed_by(public, folder)[unsigned:])
    write(without)
    write(handler)
    handler.close()
    without.close()
    assert vkeys(folder)[0] is None
    assert len(vkeys(folder)) == 2
    assert [m["kid"] for m in in_order(folder) if m["event_type"] == "chat_completion"] == [0, 1, 1, 1]
    assert verify(folder).findings == ()


def test_another_signing_key_than_the_log_s_is_refused(tmp_path: Path) -> None:
    """By name of the command that changes it; nothing is written."""
    folder, (source, _), (other, _) = (
        tmp_path / "log",
        signing_file(tmp_path),
        signing_file(tmp_path, "b.pem"),
    )
    handler = AuditFileHandler(folder / "audit.jsonl", signing_key=source)
    write(handler)
    handler.close()
    lines = len(members_of(folder))
    with pytest.raises(ConfigError, match="or-audit rotate-key"):
        AuditFileHandler(folder / "audit.jsonl", signing_key=other)
    assert len(members_of(folder)) == lines


def test_the_signing_key_is_changed_with_processes_running(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who holds both signs with the new one; who holds the old one goes on unsigned, and says so."""
    folder = tmp_path / "log"
    (old, first), (new, second) = signing_file(tmp_path), signing_file(tmp_path, "new.pem")
    options = {"checkpoint_every": 1}
    with (
        Puppet(folder, signing_key=[old, new], **options) as informed,
        Puppet(folder, signing_key=old, **options) as forgotten,
    ):
        informed.write("a")
        forgotten.write("b")
        assert all(signed_by(first, folder))
        before = len(notes(folder))
        assert main(["rotate-key", str(folder), "--new-signing-key", new]) == 0
        assert "signed by the new signing key" in capsys.readouterr().out
        informed.write("c")
        assert all(signed_by(second, folder)[before:])
        signed = len(notes(folder))
        forgotten.write("d")
        assert notes(folder)[signed:] == [None]
        informed.write("e")
        assert "not signed" in forgotten.stop()
        informed.stop()
    assert main(["rotate-key", str(folder), "--new-signing-key", old]) == 2
    assert verify(folder).findings == ()


def test_signing_does_not_vouch_for_an_edit(tmp_path: Path) -> None:
    """A line that another process wrote is altered before the next checkpoint: nothing is signed any more."""
    folder, (source, _) = tmp_path / "log", signing_file(tmp_path)
    with Puppet(folder, signing_key=source) as other:
        handler = AuditFileHandler(folder / "audit.jsonl", signing_key=source, checkpoint_every=1000)
        write(handler)
        other.write("harmless")
        made = len(notes(folder))
        (segment,) = folder.glob("audit_*.jsonl")
        segment.write_bytes(segment.read_bytes().replace(b'"harmless"', b'"HARMLESS"'))
        write(handler)
        handler.close()
        assert len(notes(folder)) == made
    reasons = [m["reason"] for m in members_of(folder) if m["event_type"] == "log.lost"]
    assert reasons == ["chain"]
    assert verify(folder).verdict == "tampered"


def test_a_stream_s_checkpoints_are_signed_as_well(tmp_path: Path) -> None:
    """Each process start is a log of its own, under the one public key."""
    source, public = signing_file(tmp_path)
    with open(tmp_path / "out", "w", encoding="ascii") as stream:
        handler = AuditStreamHandler(stream, signing_key=source)
        write(handler)
        handler.close()
    lines = [json.loads(line) for line in (tmp_path / "out").read_text("ascii").splitlines()]
    checkpoints = [line for line in lines if line["event_type"] == "log.checkpoint"]
    assert checkpoints
    assert all(public.is_signed(parse_note(line["note"])) for line in checkpoints)
    assert max(len(line) for line in (tmp_path / "out").read_text("ascii").splitlines()) < 4096


def test_the_one_liner_and_the_command_sign_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """configure(signing_key=...) and or-audit checkpoint --signing-key."""
    folder, (source, public) = tmp_path / "log", signing_file(tmp_path)
    handler = configure(folder, signing_key=source)
    write(handler)
    handler.close()
    assert main(["checkpoint", str(folder), "--signing-key", source]) == 0
    assert public.is_signed(parse_note(json.loads(capsys.readouterr().out)["note"]))
    assert all(signed_by(public, folder))


# A copy elsewhere.


def test_an_anchor_file_holds_every_checkpoint_that_was_handed_out(tmp_path: Path) -> None:
    """It is an anchor: the log verifies up to it, and is found short when its end is cut."""
    folder, anchors = tmp_path / "log", tmp_path / "elsewhere" / "audit.anchors"
    anchors.parent.mkdir()
    handler = AuditFileHandler(folder / "audit.jsonl", anchor_file=anchors, checkpoint_every=3)
    write(handler, 7)
    handler.finish()
    checkpoints = [m for m in members_of(folder) if m["event_type"] == "log.checkpoint"]
    assert [json.loads(line) for line in anchors.read_text("ascii").splitlines()] == checkpoints
    assert handler.stats()["checkpoints_not_taken"] == 0
    assert anchors.stat().st_mode & 0o777 == 0o600
    assert verify(folder, anchors=anchors).verdict == "verified"
    (segment,) = folder.glob("audit_*.jsonl")
    segment.write_bytes(b"".join(segment.read_bytes().splitlines(keepends=True)[:-4]))
    assert verify(folder, anchors=anchors).verdict == "tampered"


def test_an_anchor_file_that_cannot_be_written_costs_no_record(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said and counted; when its mount is back, the next checkpoint covers everything before."""
    folder, anchors = tmp_path / "log", tmp_path / "mount" / "audit.anchors"
    handler = AuditFileHandler(folder / "audit.jsonl", anchor_file=anchors, checkpoint_every=1)
    logging.getLogger(CHECKPOINT_LOGGER).propagate = False  # nobody else takes them
    try:
        write(handler, 3)
        assert "was not added to" in caplog.text
        assert not anchors.parent.exists()
        missed = handler.stats()["checkpoints_not_taken"]
        assert missed == handler.stats()["checkpoints"] >= 3
        anchors.parent.mkdir()
        write(handler)
        assert handler.stats()["checkpoints_not_taken"] == missed
    finally:
        logging.getLogger(CHECKPOINT_LOGGER).propagate = True
        handler.close()
    assert handler.stats()["written"] == 4
    assert verify(folder, anchors=anchors).anchored_to is not None


def test_an_anchor_inside_the_log_s_folder_is_refused(tmp_path: Path) -> None:
    """Whoever can rewrite the log could rewrite it as well; also through a link."""
    folder = tmp_path / "log"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    for place in (folder / "audit.anchors", folder / "sub" / "a", tmp_path / "link" / "a"):
        with pytest.raises(ConfigError, match="inside the log's folder"):
            AuditFileHandler(folder / "audit.jsonl", anchor_file=place)
    with pytest.raises(ConfigError, match="not a regular file"):
        AuditFileHandler(folder / "audit.jsonl", anchor_file=tmp_path)


def test_the_secret_itself_never_appears(tmp_path: Path) -> None:
    """Neither secret nor signing key stands in the log, the anchors or the handler's words."""
    folder, (source, _) = tmp_path / "log", signing_file(tmp_path)
    handler = AuditFileHandler(folder / "audit.jsonl", signing_key=source, anchor_file=tmp_path / "anchors")
    write(handler)
    handler.finish()
    pem = Path(source.removeprefix("file:")).read_text("ascii").splitlines()[1]
    everything = b"".join(path.read_bytes() for path in [*folder.iterdir(), tmp_path / "anchors"])
    assert SECRET not in everything
    assert pem.encode() not in everything
    assert pem not in repr(vars(handler))


def test_a_changed_first_line_is_signed_by_nobody(tmp_path: Path) -> None:
    """Else its origin would be another log's, with a signature: it is told as lost, and the log goes on."""
    folder, (source, _) = tmp_path / "log", signing_file(tmp_path)
    for edit in (None, (b'"origin":"', b'"origin":"x')):
        handler = AuditFileHandler(folder / "audit.jsonl", signing_key=source, checkpoint_every=1)
        write(handler, 2)
        handler.close()
        (segment,) = folder.glob("audit_*.jsonl")
        if edit is None:
            made = len(notes(folder))
            content = segment.read_bytes()
            assert content.count(b'"origin":"') == 1
            segment.write_bytes(content.replace(b'"origin":"', b'"origin":"x').replace(b' "', b'"', 1))
    assert len(notes(folder)) == made
    assert [m["reason"] for m in in_order(folder) if m["event_type"] == "log.lost"] == ["chain"]


def test_a_signing_key_that_comes_back_signs_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its file was another's for a while; what was said then is not said for ever."""
    folder = tmp_path / "log"
    (source, first), (other, _) = signing_file(tmp_path), signing_file(tmp_path, "other.pem")
    path = Path(source.removeprefix("file:"))
    right = path.read_bytes()
    handler = AuditFileHandler(folder / "audit.jsonl", signing_key=source, checkpoint_every=1)
    write(handler)
    assert main(["rotate-key", str(folder), "--new-signing-key", other]) == 0
    write(handler)
    assert notes(folder)[-1] is None
    assert "not signed" in caplog.text
    path.write_bytes(Path(other.removeprefix("file:")).read_bytes())
    write(handler)
    assert notes(folder)[-1] is not None
    assert first.public != SigningKey.from_pem(path.read_bytes()).public.public
    assert right != path.read_bytes()
    handler.close()


def test_commands_say_when_their_checkpoint_lacks_the_signature(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An auditor with the public key would not count it."""
    folder, (source, _) = tmp_path / "log", signing_file(tmp_path)
    handler = AuditFileHandler(folder / "audit.jsonl", signing_key=source)
    write(handler)
    handler.close()
    assert main(["checkpoint", str(folder)]) == 0
    assert "give --signing-key" in capsys.readouterr().err
    assert main(["checkpoint", str(folder), "--signing-key", source]) == 0
    assert "signing" not in capsys.readouterr().err


def test_the_command_signs_a_log_that_was_not_signed(tmp_path: Path) -> None:
    """The first checkpoint with a signing key names it, as the first record would."""
    folder, (source, public) = tmp_path / "log", signing_file(tmp_path)
    handler = AuditFileHandler(folder / "audit.jsonl")
    write(handler)
    handler.close()
    assert main(["checkpoint", str(folder), "--signing-key", source]) == 0
    assert public.is_signed(parse_note(notes(folder)[-1]))
    assert verify(folder).findings == ()


def test_an_anchor_file_that_a_full_disk_has_cut_goes_on_in_a_new_line(tmp_path: Path) -> None:
    """What was cut is no anchor; what follows is, whether or not the newline came."""
    folder, anchors = tmp_path / "log", tmp_path / "audit.anchors"
    handler = AuditFileHandler(folder / "audit.jsonl", anchor_file=anchors, checkpoint_every=1)
    write(handler)
    anchors.write_bytes(anchors.read_bytes()[:-100])
    write(handler)
    handler.finish()
    (size,) = {m["size"] for m in in_order(folder)[-1:]}
    assert verify(folder, anchors=anchors).anchored_to == size - 1
    lines = anchors.read_bytes().split(b"\n")
    (tmp_path / "glued").write_bytes(lines[0][:-100] + lines[-2])
    assert verify(folder, anchors=tmp_path / "glued").anchored_to == size - 1


def test_an_anchor_file_shared_by_two_logs_vouches_for_the_time_of_one(tmp_path: Path) -> None:
    """Its time is that of the last line; a log switched off long ago does not pass for alive by it."""
    anchors = tmp_path / "audit.anchors"
    for name in ("a", "b"):
        handler = AuditFileHandler(tmp_path / name / "audit.jsonl", anchor_file=anchors)
        write(handler)
        handler.finish()
    ages = [verify(tmp_path / name, anchors=anchors, max_age=timedelta(hours=1)).verdict for name in "ab"]
    assert ages == ["unanchored", "verified"]
