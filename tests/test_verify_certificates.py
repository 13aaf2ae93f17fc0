"""What may lawfully be missing, and what its cover is worth: deleted heads and redacted lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from json_values import JSON
from log_builder import DAY, NEXT_DAY, OTHER_SECRET, THIRD_DAY, LogBuilder, deletion_row, key, three_segments

from or_audit_logging.errors import FormatError
from or_audit_logging.evidence.report import VerificationReport
from or_audit_logging.evidence.verify import verify
from or_audit_logging.sealing.checkpoint import encode_root
from or_audit_logging.sealing.control import MEMBERS, control_body
from or_audit_logging.sealing.keeping import minimum_days

FIRST = f"audit_{DAY}.jsonl"
SECOND = f"audit_{NEXT_DAY}.jsonl"
THIRD = f"audit_{THIRD_DAY}.jsonl"

Change = Callable[[LogBuilder], object]


def later(log: LogBuilder, days: int) -> LogBuilder:
    log.clock += timedelta(days=days)
    return log


def both(log: LogBuilder, folder: Path, *, ring: Any = None) -> tuple[VerificationReport, VerificationReport]:
    """Return the reports to the key holder and to an auditor with an anchor over everything."""
    log.save(folder)
    return verify(folder, key=ring or key(), anchors=[log.anchor()]), verify(folder, anchors=[log.anchor()])


def kinds(report: VerificationReport) -> list[str]:
    return [finding.kind for finding in report.findings]


# deletion


@pytest.mark.parametrize("base", [SECOND, THIRD])
def test_a_head_deleted_under_certificate_is_lawful(tmp_path: Path, base: str) -> None:
    """A log may start behind 0 where a later log.delete says so, and its anchors still hold."""
    log = three_segments()
    log.delete(base)
    log.user()
    first = log.starts[base][0]
    for report in both(log, tmp_path):
        assert (report.verdict, report.findings, report.notes) == ("verified", (), ())
        assert (report.deleted_to, report.first_seq) == (first - 1, first)
        assert (report.anchored_to, report.tail) == (log.seq - 1, "anchored")
        assert f"up to seq {first - 1} were deleted under certificate" in report.summary()
    assert verify(tmp_path, key=key()).verdict == "unanchored"


def test_a_head_without_a_certificate_is_a_finding(tmp_path: Path) -> None:
    """What nobody said would go was taken away."""
    log = three_segments()
    del log.segments[FIRST]
    for report in both(log, tmp_path):
        assert kinds(report) == ["missing-lines"]
        assert report.findings[0].message == "5 lines are missing before this one: seq 0 to 4"
        assert report.deleted_to is None


def test_a_segment_in_the_middle_is_never_lawfully_gone(tmp_path: Path) -> None:
    """Deletion takes a prefix: a gap is a finding, also where it lies below the base."""
    log = three_segments()
    log.delete(THIRD, remove=False)
    del log.segments[SECOND]
    for report in both(log, tmp_path):
        assert "missing-lines" in kinds(report)


def test_a_segment_below_the_base_that_is_still_there_is_a_note(tmp_path: Path) -> None:
    """Deletion may have been interrupted at any file."""
    log = three_segments()
    log.delete(THIRD, remove=False)
    for gone, left in (([], [FIRST, SECOND]), ([FIRST], [SECOND])):
        for name in gone:
            log.segments.pop(name)
            (tmp_path / name).unlink()
        for report in both(log, tmp_path):
            assert report.verdict == "verified"
            assert [(note.kind, note.segment) for note in report.notes] == [("below-base", n) for n in left]


def test_a_head_that_begins_within_a_segment_is_a_finding(tmp_path: Path) -> None:
    """Files go whole."""
    log = three_segments()
    log.delete(SECOND)
    log.segments[SECOND] = b"".join(log.lines(SECOND)[1:])
    for report in both(log, tmp_path):
        assert report.verdict == "tampered"


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_leaf": "0" * 64},
        {"base_leaf": None},
        {"root": encode_root(bytes(32))},
        {"root": "AAAA"},
        {"base": 0},
        {"base": -5},
        {"base": 6},
        {"base": 11},
        {"base": "5"},
        {"base": None},
        {"base": True},
    ],
)
def test_a_certificate_that_states_something_else(tmp_path: Path, wrong: dict[str, object]) -> None:
    """Base, hash and tree have to be those of the segment that the log starts with."""
    log = three_segments()
    log.delete(SECOND, **wrong)
    for report in both(log, tmp_path):
        assert "delete" in kinds(report)


def test_a_certificate_for_less_than_was_deleted_before(tmp_path: Path) -> None:
    """Deletions of years: each certificate stands in for those before it, whose lines may be gone."""
    log = three_segments()
    log.delete(SECOND)
    log.open("2026-11-24")
    log.user()
    log.delete(THIRD)
    for report in both(log, tmp_path):
        assert (report.verdict, report.deleted_to, report.findings) == ("verified", 9, ())
    log.delete("audit_2026-11-24.jsonl")
    (tmp_path / SECOND).unlink(missing_ok=True)
    (tmp_path / THIRD).unlink()
    for report in both(log, tmp_path):
        assert (report.verdict, report.deleted_to) == (
            "verified",
            log.starts["audit_2026-11-24.jsonl"][0] - 1,
        )


@pytest.mark.parametrize(("days", "verdict"), [(29, "tampered"), (30, "verified")])
@pytest.mark.parametrize(
    "policy", [{"min_days": 30}, {"delete_after_days": 30}, {"min_days": 30, "delete_after_days": 2}]
)
def test_the_sealed_policy_says_how_long_lines_are_kept(
    tmp_path: Path, policy: object, days: int, verdict: str
) -> None:
    """The first line that is left has to be as old as the policy asks, when the log.delete is written."""
    log = later(three_segments(policy=policy), days)
    log.delete(THIRD)
    for report in both(log, tmp_path):
        assert report.verdict == verdict
        assert kinds(report) == ([] if verdict == "verified" else ["delete"])


def test_the_longest_policy_on_the_way_counts(tmp_path: Path) -> None:
    """A policy that was made shorter shortly before does not help."""
    log = LogBuilder(policy={"min_days": 90})
    log.open(NEXT_DAY)
    log.policy = {"min_days": 1}
    log.open(THIRD_DAY)
    later(log, 30).delete(SECOND)
    for report in both(log, tmp_path):
        assert kinds(report) == ["delete"]


def test_a_later_certificate_does_not_excuse_an_early_deletion(tmp_path: Path) -> None:
    """The first log.delete that covers what is gone is the one that has to be lawful."""
    log = later(three_segments(policy={"min_days": 30}), 3)
    log.delete(THIRD)
    later(log, 300).delete(THIRD)
    for report in both(log, tmp_path):
        assert kinds(report) == ["delete"]


def hold(log: LogBuilder, event: str = "log.hold", since: object = None, until: object = None) -> None:
    days = {"from": since, "until": until, "renews": None}
    log.control(event, name="case-7", policy=None, **days, actor="counsel", reason=None)


@pytest.mark.parametrize(
    ("since", "until", "is_held"),
    [
        (None, None, True),
        (DAY, DAY, True),
        (None, "2026-11-19", True),
        (None, "2026-11-18", False),
        (NEXT_DAY, None, False),
        ("a day that is none", None, False),
    ],
)
def test_a_hold_keeps_its_days_from_a_certificate(
    tmp_path: Path, since: object, until: object, *, is_held: bool
) -> None:
    """Those of the row, and two days before it."""
    log = three_segments()
    hold(log, since=since, until=until)
    log.delete(SECOND)
    for report in both(log, tmp_path):
        assert kinds(report) == (["delete"] if is_held else [])


def test_only_a_hold_in_force_keeps_anything(tmp_path: Path) -> None:
    """Not one that was released, nor one that came later, also where the certificate is said again."""
    log = three_segments()
    hold(log)
    hold(log, "log.release")
    log.delete(SECOND, remove=False)
    hold(log)
    log.delete(SECOND)
    for report in both(log, tmp_path):
        assert kinds(report) == []
    log.delete(THIRD, past=[deletion_row(4), deletion_row(log.starts[THIRD][0] - 1, first=5)])
    for report in both(log, tmp_path):
        assert kinds(report) == ["delete"]
        assert report.findings[0].found == "case-7"


def test_of_rows_that_became_one_only_what_is_sure_counts(tmp_path: Path) -> None:
    """Held days that went before the hold are not those of the run that made the row longer."""
    for until, is_held in (("2026-11-17", False), ("2026-11-18", True)):
        log = three_segments()
        log.delete(
            SECOND, remove=False, past=[deletion_row(4, days=["2026-10-01", DAY], cut_off="2026-11-20")]
        )
        hold(log, until=until)
        row = deletion_row(log.starts[THIRD][0] - 1, days=["2026-10-01", NEXT_DAY], runs=2)
        log.delete(THIRD, past=[row])
        (tmp_path / FIRST).unlink(missing_ok=True)
        for report in both(log, tmp_path):
            assert kinds(report) == (["delete"] if is_held else [])


def test_a_policy_that_cannot_be_read_is_no_cover(tmp_path: Path) -> None:
    """Where nobody knows how long lines had to be kept, nobody can say that they were."""
    log = three_segments(policy="forever")
    log.delete(SECOND)
    for report in both(log, tmp_path):
        assert (report.verdict, report.findings) == ("cannot verify", ())
        assert "for how long" in report.summary()


@pytest.mark.parametrize("policy", [7, [], {"min_days": "x"}, {"min_days": -1}, {"min_days": True}])
def test_only_days_are_days(policy: object) -> None:
    with pytest.raises(FormatError):
        minimum_days(policy)


@given(JSON)
def test_any_policy_is_read_or_refused(policy: object) -> None:
    """A number of days comes back, or FormatError."""
    try:
        assert 0 <= minimum_days(policy) <= 1_000_000
    except FormatError:
        pass


def test_without_the_key_a_certificate_counts_if_an_anchor_covers_it(tmp_path: Path) -> None:
    """Behind the last anchor anybody could have written it, and the key holder can tell."""
    log = three_segments()
    log.delete(SECOND)
    behind = log.seq - 1
    log.user()
    log.save(tmp_path)
    report = verify(tmp_path, anchors=[log.anchor(behind)])
    assert (report.verdict, report.findings, report.deleted_to) == ("cannot verify", (), None)
    assert "no anchor covers" in report.summary()
    assert verify(tmp_path, anchors=[log.anchor(behind + 1)]).verdict == "verified"
    assert verify(tmp_path, key=key(), anchors=[log.anchor(behind)]).verdict == "verified"


def test_the_lines_that_an_anchor_covers_are_counted_from_the_first_that_is_there(tmp_path: Path) -> None:
    log = three_segments()
    log.delete(THIRD)
    log.user(1)
    anchor = log.anchor()
    log.user(2)
    report = verify(log.save(tmp_path), anchors=[anchor])
    covered, lines = anchor.size - (report.first_seq or 0), report.lines
    assert (report.verdict, lines) == ("verified", covered + 2)
    assert report.summary().startswith(f"verified: {covered} of {lines} lines in 1 segment")


def test_a_certificate_forged_behind_the_last_anchor(tmp_path: Path) -> None:
    """With the wrong key: a finding to the key holder, no licence to the auditor."""
    log = three_segments()
    anchor = log.anchor()
    log.keys = LogBuilder(secret=OTHER_SECRET).keys
    log.delete(SECOND)
    log.save(tmp_path)
    assert verify(tmp_path, key=key(), anchors=[anchor]).verdict == "tampered"
    assert verify(tmp_path, anchors=[anchor]).verdict == "cannot verify"


def test_anchors_of_deleted_lines_convict_nobody(tmp_path: Path) -> None:
    """An anchor below the base covers what is gone; one at the base is the tree that the log states."""
    log = three_segments()
    log.delete(SECOND)
    log.save(tmp_path)
    assert verify(tmp_path, key=key(), anchors=[log.anchor(3)]).verdict == "unanchored"
    assert verify(tmp_path, key=key(), anchors=[log.anchor(5)]).anchored_to == 4
    report = verify(tmp_path, anchors=[log.anchor(3)])
    assert report.verdict == "cannot verify"
    assert "no anchor that holds for a line which is there" in report.summary()


def test_a_forged_base_does_not_pass_an_anchor(tmp_path: Path) -> None:
    """An open line that states another tree before it contradicts every later anchor."""
    log = three_segments()
    log.delete(SECOND)
    honest = log.segments[SECOND]
    opened = json.loads(log.lines(SECOND)[0])
    for old in (opened["base_leaf"], opened["frontier"][0]):
        log.segments[SECOND] = honest.replace(old.encode(), old[::-1].encode(), 1)
        for report in both(log, tmp_path):
            assert report.verdict == "tampered"
        log.segments[SECOND] = honest


def test_a_log_that_starts_under_a_later_key(tmp_path: Path) -> None:
    """The first line that is left says which key was in force."""
    log = LogBuilder()
    log.rotate(OTHER_SECRET)
    log.open(NEXT_DAY)
    log.user(2)
    log.delete(SECOND)
    for report in both(log, tmp_path, ring=[key(), key(OTHER_SECRET)]):
        assert (report.verdict, report.findings, report.tail) == ("verified", (), "anchored")
    assert verify(tmp_path, key=key(), anchors=[log.anchor(7)]).verdict == "cannot verify"
    assert verify(tmp_path, key=key(OTHER_SECRET)).verdict == "unanchored"


def test_a_changed_first_line_under_a_later_key(tmp_path: Path) -> None:
    """What the key at hand did not seal is a finding, not a missing key."""
    log = LogBuilder()
    log.rotate(OTHER_SECRET)
    log.open(NEXT_DAY)
    log.user(2)
    log.open(THIRD_DAY)
    log.delete(SECOND)
    log.save(tmp_path)
    data = log.segments[SECOND]
    ring = [key(), key(OTHER_SECRET)]
    for at in range(0, 1100, 17):
        (tmp_path / SECOND).write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert verify(tmp_path, key=ring).verdict == "tampered", at


def test_archives_start_a_log_too(tmp_path: Path) -> None:
    """An archived segment is the same bytes."""
    log = three_segments()
    log.delete(SECOND)
    log.save(tmp_path)
    log.archive(tmp_path, SECOND)
    assert verify(tmp_path, key=key(), anchors=[log.anchor()]).verdict == "verified"


def test_torn_files_below_the_base(tmp_path: Path) -> None:
    """What described them is deleted with its segment; a deletion may stop between the two."""
    log = LogBuilder()
    log.torn_file(NEXT_DAY, 0, b'{"event')
    log.open(NEXT_DAY, 1)
    log.open(THIRD_DAY)
    log.delete(THIRD)
    for report in both(log, tmp_path):
        assert (report.verdict, report.notes) == ("verified", ())
    (tmp_path / SECOND).write_bytes(b'{"event')
    for report in both(log, tmp_path):
        assert (report.verdict, [note.kind for note in report.notes]) == ("verified", ["below-base"])


@pytest.mark.parametrize("where", ["head", "certificate"])
def test_every_byte_counts_around_a_deletion(tmp_path: Path, where: str) -> None:
    """Bits flipped in the line that the log starts with, and in its log.delete."""
    log = three_segments()
    certificate = log.delete(SECOND)
    log.user()
    name = SECOND if where == "head" else THIRD
    data = log.segments[name]
    start = 0 if where == "head" else data.index(certificate)
    log.save(tmp_path)
    for at in range(start, start + len(certificate), 11):
        (tmp_path / name).write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert verify(tmp_path, key=key()).verdict == "tampered", at
        assert verify(tmp_path, anchors=[log.anchor()]).verdict == "tampered", at


# redaction


def redacted(seqs: tuple[int, ...] = (3,), **options: Any) -> LogBuilder:
    """Return a log of two days, of whose first day lines were redacted."""
    log = LogBuilder(**options)
    log.user(4)
    log.checkpoint()
    log.open(NEXT_DAY)
    for seq in seqs:
        log.redact(seq)
    log.user(2)
    return log


@pytest.mark.parametrize("seqs", [(3,), (2, 3), (5,), (2, 3, 4, 5)])
def test_a_stub_under_certificate_is_lawful(tmp_path: Path, seqs: tuple[int, ...]) -> None:
    """Chain, seals, checkpoints and anchors hold, and the report says who had lines redacted."""
    log = redacted(seqs)
    for report in both(log, tmp_path):
        assert (report.verdict, report.findings, report.notes) == ("verified", (), ())
        assert (report.redacted, report.redactions) == (len(seqs), {"dpo": len(seqs)})
        assert report.lines == log.seq
        assert f"{len(seqs)} line" in report.summary()
    assert verify(tmp_path, key=key()).verdict == "unanchored"


def test_redactions_are_counted_by_actor(tmp_path: Path) -> None:
    """Who took lines out is what an auditor wants to know."""
    log = redacted(())
    log.redact(2, actor="ann")
    log.redact(3, actor="bob")
    log.redact(4, actor="ann")
    for report in both(log, tmp_path):
        assert (report.redacted, report.redactions) == (3, {"ann": 2, "bob": 1})


def test_a_stub_without_a_certificate_is_a_finding(tmp_path: Path) -> None:
    """A line that was taken out without a word."""
    log = redacted()
    name, line = FIRST, log.lines(FIRST)[3]
    honest = LogBuilder()
    honest.user(4)
    honest.checkpoint()
    honest.open(NEXT_DAY)
    honest.user(2)
    honest.segments[name] = honest.segments[name].replace(honest.lines(name)[3], line)
    for report in both(honest, tmp_path):
        assert [(f.kind, f.segment, f.line, f.seq) for f in report.findings] == [("stub", FIRST, 4, 3)]


@pytest.mark.parametrize("damage", ["leaf", "seq", "log", "space", "shorter", "seal"])
def test_a_stub_that_states_something_else(tmp_path: Path, damage: str) -> None:
    """Number, log and hash of a stub are bound; its length is not, and it takes no other form."""
    log = redacted()
    line = log.lines(FIRST)[3]
    at = line.index(b'"leaf":"') + 8
    new = {
        "leaf": line[:at] + (b"0" if line[at : at + 1] != b"0" else b"1") + line[at + 1 :],
        "seq": line.replace(b'"seq":3', b'"seq":4'),
        "log": line.replace(b'"log":"0001', b'"log":"0002'),
        "space": line.replace(b'"seq":3', b'"seq": 3'),
        "shorter": line.replace(b"  }", b"}", 1).replace(b'"leaf"', b'"leaf" '),
        "seal": line.replace(b"    }", b',"x"}'),
    }[damage]
    log.segments[FIRST] = log.segments[FIRST].replace(line, new)
    for report in both(log, tmp_path):
        assert report.verdict == "tampered"


@pytest.mark.parametrize("wrong", [{"leaf": "0" * 64}, {"target": 4}])
def test_a_certificate_for_another_line(tmp_path: Path, wrong: dict[str, object]) -> None:
    """A log.redact speaks of one line, by number and by hash."""
    log = redacted(())
    log.redact(3, **wrong)
    for report in both(log, tmp_path):
        assert kinds(report) == ["stub"]


@pytest.mark.parametrize(
    "wrong", [{"leaf": None}, {"leaf": "x"}, {"target": None}, {"target": -1}, {"target": 8}]
)
def test_a_certificate_that_contradicts_itself(tmp_path: Path, wrong: dict[str, object]) -> None:
    """Also a line of the open segment cannot be redacted."""
    log = redacted(())
    log.redact(3, replace=False, **wrong)
    for report in both(log, tmp_path):
        assert kinds(report) == ["redact"]


def test_a_line_that_still_stands_is_a_note(tmp_path: Path) -> None:
    """The log.redact is written first, and then the line replaced: a crash may come between."""
    log = redacted(())
    log.redact(3, replace=False)
    for report in both(log, tmp_path):
        assert (report.verdict, [note.kind for note in report.notes]) == ("verified", ["redact-open"])
        assert report.redacted == 0
    log.redact(3)
    for report in both(log, tmp_path):
        assert (report.verdict, report.redacted) == ("verified", 1)


def test_redacting_twice_counts_once(tmp_path: Path) -> None:
    """Whoever was interrupted says it again."""
    log = redacted()
    log.redact(3, leaf=log.lines(FIRST)[3].split(b'"leaf":"')[1][:64].decode(), replace=False)
    for report in both(log, tmp_path):
        assert (report.verdict, report.redacted, report.notes) == ("verified", 1, ())


def test_without_the_key_a_redaction_counts_if_an_anchor_covers_it(tmp_path: Path) -> None:
    """The stub itself is bound by the tree; whether it was lawful takes its certificate."""
    log = redacted()
    behind = log.seq - 3
    log.save(tmp_path)
    report = verify(tmp_path, anchors=[log.anchor(behind)])
    assert (report.verdict, report.findings) == ("cannot verify", ())
    assert verify(tmp_path, anchors=[log.anchor(behind + 1)]).verdict == "verified"
    assert verify(tmp_path, key=key(), anchors=[log.anchor(behind)]).verdict == "verified"


def test_a_segments_first_line_cannot_be_redacted(tmp_path: Path) -> None:
    """Only users' lines: what opens a segment, its day and its keys, has to stand."""
    log = LogBuilder()
    log.user()
    log.open(NEXT_DAY)
    log.user()
    log.open(THIRD_DAY)
    log.redact(3)
    for report in both(log, tmp_path):
        assert report.verdict == "tampered"


def test_a_stub_behind_an_altered_line(tmp_path: Path) -> None:
    """The altered line is named, and the stub is not blamed for it."""
    log = redacted((4,))
    line = log.lines(FIRST)[3]
    log.segments[FIRST] = log.segments[FIRST].replace(line, line.replace(b"plain", b"plaim"))
    with_key, _ = both(log, tmp_path)
    assert [(f.kind, f.seq) for f in with_key.findings if f.kind == "mac"] == [("mac", 3)]


def test_a_stub_where_lines_were_put_in(tmp_path: Path) -> None:
    """A stub takes part in finding where the chain goes on."""
    log = redacted((4,))
    lines = log.lines(FIRST)
    log.segments[FIRST] = b"".join([*lines[:4], lines[3], *lines[4:]])
    for report in both(log, tmp_path):
        assert report.verdict == "tampered"
        assert report.redacted == 1


def test_a_redaction_whose_line_was_deleted_later(tmp_path: Path) -> None:
    """What is gone needs no certificate any more."""
    log = redacted()
    log.open(THIRD_DAY)
    log.delete(SECOND)
    for report in both(log, tmp_path):
        assert (report.verdict, report.redacted, report.notes) == ("verified", 0, ())


def test_every_byte_of_a_stub_counts(tmp_path: Path) -> None:
    """Flipped bits in number and hash are findings, with the key and without it."""
    log = redacted()
    data = log.segments[FIRST]
    start = data.index(log.lines(FIRST)[3])
    log.save(tmp_path)
    for at in range(start, start + 130):
        (tmp_path / FIRST).write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert verify(tmp_path, key=key()).verdict == "tampered", at
        assert verify(tmp_path, anchors=[log.anchor()]).verdict == "tampered", at


# what was collected of such a log


@pytest.mark.parametrize("wrapped", [False, True])
def test_an_export_may_hold_stubs_and_begin_late(tmp_path: Path, wrapped: bool) -> None:
    """Lines that went lawfully are not missed in an export either, in whatever order and wrapping."""
    log = redacted()
    log.open(THIRD_DAY)
    log.redact(9)
    log.delete(SECOND)
    lines = [line for name in log.segments for line in log.lines(name)][::-1]
    if wrapped:
        lines = [json.dumps({"text": line.decode()}).encode() + b"\n" for line in lines]
    export = tmp_path / "export"
    export.write_bytes(b"".join(lines))
    for ring in (key(), None):
        report = verify(export, key=ring, anchors=[log.anchor()])
        assert (report.verdict, report.findings) == ("verified", ())
        assert (report.deleted_to, report.redacted) == (6, 1)


def test_an_export_may_hold_a_line_and_its_stub(tmp_path: Path) -> None:
    """What was collected before the line was redacted says the same; another stub does not."""
    log = LogBuilder()
    log.user(4)
    before = log.lines()
    log.open(NEXT_DAY)
    log.redact(3)
    log.user()
    whole = before + [line for name in log.segments for line in log.lines(name)]
    export = tmp_path / "export"
    export.write_bytes(b"".join(whole))
    assert verify(export, key=key(), anchors=[log.anchor()]).verdict == "verified"
    stub = log.lines(FIRST)[3]
    export.write_bytes(b"".join([*before, *log.lines(SECOND), stub.replace(stub[50:60], b"0" * 10)]))
    assert verify(export, key=key(), anchors=[log.anchor()]).verdict == "tampered"


# whatever the key holder writes

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just("0" * 64)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(deadline=None, database=None, derandomize=True)
@given(
    event=st.sampled_from(["log.delete", "log.redact", "log.rotate"]),
    values=st.lists(VALUES, min_size=6, max_size=6),
    policy=VALUES,
    gone=st.booleans(),
)
def test_no_certificate_makes_it_raise(
    tmp_path_factory: pytest.TempPathFactory, event: str, values: list[object], policy: object, gone: bool
) -> None:
    """Members of any kind end in a verdict, and none of them deletes anything lawfully."""
    log = LogBuilder(policy=policy)
    log.user()
    log.open(NEXT_DAY)
    body = control_body(event, record_id="id", timestamp="2026-11-22T10:00:00.000000Z")
    members = json.loads(body) | dict(zip(MEMBERS[event], values, strict=False))
    log.seal(json.dumps(members, separators=(",", ":"), allow_nan=True).encode())
    log.user()
    if gone:
        del log.segments[FIRST]
    folder = log.save(tmp_path_factory.mktemp("log"))
    for ring in (key(), None):
        report = verify(folder, key=ring, anchors=[log.anchor()])
        assert report.summary()
        assert report.deleted_to is None
        assert not gone or report.verdict in ("tampered", "cannot verify")
