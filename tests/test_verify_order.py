"""Lines and segments dropped, swapped, repeated, renamed, put in from elsewhere: each is found, and where."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from log_builder import DAY, NEXT_DAY, OTHER_SECRET, THIRD_DAY, LogBuilder, key, three_segments

from or_audit_logging.evidence.report import VerificationReport
from or_audit_logging.evidence.verify import verify

FIRST, SECOND, THIRD = (f"audit_{day}.jsonl" for day in (DAY, NEXT_DAY, THIRD_DAY))
LINES = 14


def one_segment() -> LogBuilder:
    """Return a log of fourteen lines in one segment, with checkpoints among them."""
    log = LogBuilder()
    log.user(4)
    log.checkpoint()
    log.user(4)
    log.checkpoint()
    log.user(2)
    assert log.seq == LINES
    return log


def found(report: VerificationReport) -> list[tuple[str | None, int | None, str]]:
    """Return segment, line and kind of each finding."""
    return [(finding.segment, finding.line, finding.kind) for finding in report.findings]


def both(log: LogBuilder, folder: Path) -> tuple[VerificationReport, VerificationReport]:
    """Return the reports with the key, and with an anchor over all of the log instead."""
    log.save(folder)
    return verify(folder, key=key()), verify(folder, anchors=[log.anchor()])


def rearranged(log: LogBuilder, order: list[int]) -> LogBuilder:
    """Return *log* with its lines in another order."""
    lines = log.lines()
    log.segments[log.name] = b"".join(lines[at] for at in order)
    return log


# lines


@pytest.mark.parametrize("at", range(LINES))
def test_a_dropped_line_is_found(tmp_path: Path, at: int) -> None:
    """The line after the gap is named, with how many are missing; the last line is missed by an anchor."""
    log = rearranged(one_segment(), [n for n in range(LINES) if n != at])
    with_key, with_anchor = both(log, tmp_path)
    last = LINES - 1
    assert with_anchor.verdict == "tampered"
    assert found(with_key) == ([(FIRST, at + 1, "missing-lines")] if at < last else [])
    if at < last:
        assert (with_key.findings[0].expected, with_key.findings[0].found) == (at, at + 1)
        assert with_key.findings[0].message.startswith("1 line is missing")


@pytest.mark.parametrize("at", range(LINES - 1))
def test_swapped_lines_are_found(tmp_path: Path, at: int) -> None:
    """Two neighbours in the wrong order are a finding near their place."""
    order = list(range(LINES))
    order[at : at + 2] = [at + 1, at]
    with_key, with_anchor = both(rearranged(one_segment(), order), tmp_path)
    assert with_key.verdict == with_anchor.verdict == "tampered"
    if at:  # without the first line in its place, there is no key to be derived
        assert {at + 1, at + 3} >= {finding.line for finding in with_key.findings}


@pytest.mark.parametrize("at", range(LINES))
@pytest.mark.parametrize("later", [1, 3])
def test_repeated_lines_are_found(tmp_path: Path, at: int, later: int) -> None:
    """A copy of a line, at once or later on, is named, and nothing else is."""
    order = list(range(LINES))
    place = min(at + later, LINES)
    order.insert(place, at)
    with_key, with_anchor = both(rearranged(one_segment(), order), tmp_path)
    assert with_anchor.verdict == "tampered"
    assert [(f.segment, f.line) for f in with_key.findings] == [(FIRST, place + 1)]


@pytest.mark.parametrize("at", range(2, LINES + 1))
def test_a_line_from_another_log_is_found(tmp_path: Path, at: int) -> None:
    """Under the same secret, each log has its own key and its own id in each line."""
    log, other = one_segment(), LogBuilder(log_id=bytes(16), host="other.example")
    other.user(LINES)
    lines = log.lines()
    lines.insert(at, other.lines()[at])
    log.segments[FIRST] = b"".join(lines)
    with_key, with_anchor = both(log, tmp_path)
    assert found(with_key) == [(FIRST, at + 1, "log-id")]
    assert with_anchor.verdict == "tampered"


def test_a_line_made_without_the_key_is_found(tmp_path: Path) -> None:
    """A line that continues the chain in every respect but its MAC is named, in the middle and at the end."""
    for at in (6, LINES):
        log, forged = one_segment(), LogBuilder(secret=OTHER_SECRET)
        forged.user(LINES)
        lines = log.lines()
        lines.insert(at, forged.lines()[at])
        log.segments[FIRST] = b"".join(lines)
        report = verify(log.save(tmp_path), key=key())
        assert [(f.line, f.seq) for f in report.findings] == [(at + 1, at)]


def test_replayed_stretch_is_found(tmp_path: Path) -> None:
    """Lines that were written once and are put in again are a finding at their start."""
    order = [*range(10), *range(4, LINES)]
    report = verify(rearranged(one_segment(), order).save(tmp_path), key=key())
    assert report.verdict == "tampered"
    assert report.findings[0].line == 11


def test_tail_is_missed_by_the_anchor_only(tmp_path: Path) -> None:
    """The key cannot tell that the last lines are gone; whoever kept a checkpoint can."""
    log = one_segment()
    log = rearranged(log, list(range(9)))
    log.save(tmp_path)
    assert verify(tmp_path, key=key()).verdict == "unanchored"
    report = verify(tmp_path, key=key(), anchors=[log.anchor(12), log.anchor(13), log.anchor(5)])
    assert (report.verdict, report.anchored_to) == ("tampered", 4)
    assert [(f.kind, f.expected, f.found) for f in report.findings] == [("anchor-size", 13, 9)]
    assert "4 lines are missing at the end" in report.summary()


def test_truncated_and_continued_log_is_found(tmp_path: Path) -> None:
    """A log that was cut and written on by the key holder contradicts an older anchor."""
    log, fork = one_segment(), LogBuilder()
    fork.user(4)
    fork.checkpoint()
    fork.user(9, text="other")
    fork.save(tmp_path)
    assert verify(tmp_path, key=key()).verdict == "unanchored"
    report = verify(tmp_path, key=key(), anchors=[log.anchor(7), log.anchor(10)])
    assert (report.anchored_to, [f.kind for f in report.findings]) == (6, ["anchor-root"])


def test_a_record_as_first_line_is_found(tmp_path: Path) -> None:
    """A segment split in two, or two joined, breaks the rule of how segments start."""
    log = three_segments()
    head, tail = log.lines(SECOND)[:3], log.lines(SECOND)[3:]
    log.segments[SECOND] = b"".join(head)
    log.segments["audit_2026-11-22.1.jsonl"] = b"".join(tail)
    report = verify(log.save(tmp_path / "split"), key=key())
    assert (("audit_2026-11-22.1.jsonl", 1, "segment-start")) in found(report)
    log = three_segments()
    log.segments[FIRST] += log.segments.pop(SECOND)
    report = verify(log.save(tmp_path / "joined"), key=key())
    assert (FIRST, 6, "segment-start") in found(report)


# segments


@pytest.mark.parametrize("name", [FIRST, SECOND])
def test_a_missing_segment_is_found(tmp_path: Path, name: str) -> None:
    """A gap of any length is a finding, at the head too, and the lines behind it are still checked."""
    log = three_segments()
    following = SECOND if name == FIRST else THIRD
    del log.segments[name]
    with_key, with_anchor = both(log, tmp_path)
    assert with_anchor.verdict == "tampered"
    assert found(with_key) == [(following, 1, "missing-lines")]
    assert with_key.findings[0].message.startswith("5 lines are missing")
    assert with_key.key_checked


def test_second_edit_behind_a_missing_segment_is_found(tmp_path: Path) -> None:
    """Going on behind a gap does not take the rest on trust."""
    log = three_segments()
    del log.segments[FIRST]
    log.segments[THIRD] = log.segments[THIRD].replace(b"plain", b"plaim", 1)
    assert found(verify(log.save(tmp_path), key=key())) == [(SECOND, 1, "missing-lines"), (THIRD, 3, "mac")]


@pytest.mark.parametrize(("one", "other"), [(FIRST, SECOND), (SECOND, THIRD), (FIRST, THIRD)])
def test_segments_under_each_others_name_are_found(tmp_path: Path, one: str, other: str) -> None:
    """Names are sealed: order is by seq, but a file under another name is a finding."""
    log = three_segments()
    log.segments[one], log.segments[other] = log.segments[other], log.segments[one]
    with_key, with_anchor = both(log, tmp_path)
    assert {kind for _, _, kind in found(with_key)} == {"segment-name"}
    assert {(segment, line) for segment, line, _ in found(with_key)} == {(one, 1), (other, 1)}
    assert with_anchor.verdict == "tampered"


@pytest.mark.parametrize(
    "new", ["audit_2026-11-24.jsonl", "audit_2026-11-22.1.jsonl", "audit_2020-01-01.jsonl"]
)
def test_a_renamed_segment_is_found(tmp_path: Path, new: str) -> None:
    """Day and suffix of a segment's name are sealed in its first line."""
    log = three_segments()
    log.segments[new] = log.segments.pop(SECOND)
    assert found(both(log, tmp_path)[0]) == [(new, 1, "segment-name")]


@pytest.mark.parametrize("name", [FIRST, SECOND, THIRD])
@pytest.mark.parametrize("copy", ["audit_2026-11-20.jsonl", "audit_2026-11-30.jsonl"])
def test_a_copy_of_a_segment_is_found(tmp_path: Path, name: str, copy: str) -> None:
    """A second file with the same lines stands outside the chain; the first is verified all the same."""
    log = three_segments()
    log.segments[copy] = log.segments[name]
    with_key, _ = both(log, tmp_path)
    assert found(with_key) == [(copy, None, "foreign-file")]
    assert with_key.lines == 15


def test_the_true_one_of_two_versions_is_followed(tmp_path: Path) -> None:
    """Of two files with the same first seq the one that goes on the chain is taken, whatever its name."""
    log, forged = three_segments(), three_segments(secret=OTHER_SECRET)
    forged_name = "audit_2026-11-22.1.jsonl"
    log.segments[forged_name] = forged.segments[SECOND].replace(SECOND.encode(), forged_name.encode())
    with_key, with_anchor = both(log, tmp_path)
    assert found(with_key) == [(forged_name, None, "foreign-file")]
    assert found(with_anchor) == [(forged_name, None, "foreign-file")]


def test_an_older_state_of_a_segment_is_found(tmp_path: Path) -> None:
    """A part of a segment beside the whole of it is a copy."""
    log = three_segments()
    log.segments["audit_2026-11-29.jsonl"] = b"".join(log.lines(THIRD)[2:])
    assert ("audit_2026-11-29.jsonl", None, "foreign-file") in found(both(log, tmp_path)[0])


@pytest.mark.parametrize("day", ["2026-11-20", "2026-11-25"])
def test_a_segment_of_another_log_is_found(tmp_path: Path, day: str) -> None:
    """A file of another log under this one's naming is a finding, and no part of the chain."""
    log, other = three_segments(), LogBuilder(log_id=bytes(16), day=day)
    log.segments |= other.segments
    with_key, with_anchor = both(log, tmp_path)
    assert [(finding.segment, finding.kind) for finding in with_key.findings] == [
        (f"audit_{day}.jsonl", "foreign-file")
    ]
    assert with_anchor.verdict == "tampered"


def test_a_segment_of_another_log_in_a_gap_is_found(tmp_path: Path) -> None:
    """Another log's lines do not fill a gap, even with the right numbers and under the same secret."""
    log, other = three_segments(), three_segments(log_id=bytes(16))
    log.segments[SECOND] = other.segments[SECOND]
    assert found(both(log, tmp_path)[0]) == [(SECOND, None, "foreign-file"), (THIRD, 1, "missing-lines")]


def test_a_segment_under_another_secret_is_found(tmp_path: Path) -> None:
    """Lines that bear the right id and numbers, sealed by somebody without the key, are all named."""
    log, other = three_segments(), three_segments(secret=OTHER_SECRET)
    log.segments[SECOND] = other.segments[SECOND]
    with_key, with_anchor = both(log, tmp_path)
    assert {segment for segment, _, _ in found(with_key)} == {SECOND}
    assert with_anchor.verdict == "tampered"


def test_all_of_a_log_rewritten_by_somebody_else(tmp_path: Path) -> None:
    """A log rewritten under another secret looks like another key's log, unless an anchor tells."""
    log, forged = three_segments(), three_segments(secret=OTHER_SECRET)
    forged.save(tmp_path)
    assert verify(tmp_path, key=key()).verdict == "cannot verify"
    assert verify(tmp_path, key=key(), anchors=[log.anchor(5)]).verdict == "tampered"


def test_lines_forged_at_a_segments_end_are_found(tmp_path: Path) -> None:
    """Lines appended to a closed segment do not push the next one out of the chain."""
    log, forged = three_segments(), three_segments(secret=OTHER_SECRET)
    log.segments[FIRST] += b"".join(forged.lines(SECOND)[2:])
    with_key, with_anchor = both(log, tmp_path)
    assert {segment for segment, _, _ in found(with_key)} == {FIRST}
    assert with_key.findings[0].line == 6
    assert with_anchor.verdict == "tampered"


def test_closed_segment_without_its_last_newline_is_found(tmp_path: Path) -> None:
    """Only the newest segment may end without a newline."""
    log = three_segments()
    log.segments[FIRST] = log.segments[FIRST].removesuffix(b"\n")
    with_key, with_anchor = both(log, tmp_path)
    assert found(with_key) == found(with_anchor) == [(FIRST, 5, "newline")]


def test_torn_end_of_a_closed_segment_is_found(tmp_path: Path) -> None:
    """In a closed segment torn bytes have a log.recover behind them."""
    log = three_segments()
    log.segments[FIRST] += b'{"event_type'
    with_key, with_anchor = both(log, tmp_path)
    assert found(with_key) == found(with_anchor) == [(FIRST, 6, "torn")]


@pytest.mark.parametrize("content", [b'{"event', b"garbage\n", b"\0" * 2000, b"garbage\n" * 500])
def test_bytes_that_no_recover_speaks_of_are_found(tmp_path: Path, content: bytes) -> None:
    """A file without lines is a crash's only at the end of the log, or where the log describes it."""
    log = three_segments()
    log.segments["audit_2026-11-22.5.jsonl"] = content
    with_key, with_anchor = both(log, tmp_path)
    assert [kind for _, _, kind in found(with_key)] == ["torn"]
    assert with_anchor.verdict == "tampered"


def test_described_fragment_must_be_there_as_it_was(tmp_path: Path) -> None:
    """A file of torn bytes that a log.recover speaks of may neither change nor vanish."""
    log = LogBuilder()
    log.torn_file(NEXT_DAY, 0, b'{"event_type":"log.op')
    log.open(NEXT_DAY, 1)
    log.segments[SECOND] = b'{"event_type":"log.oq'
    assert found(verify(log.save(tmp_path), key=key())) == [(SECOND, None, "recover")]
    (tmp_path / SECOND).unlink()
    assert found(verify(tmp_path, key=key())) == [(SECOND, None, "recover")]


def test_destroyed_segment_is_found(tmp_path: Path) -> None:
    """A segment overwritten with other bytes leaves a gap, and a file that is no part of the log."""
    log = three_segments()
    log.segments[SECOND] = b"\0" * len(log.segments[SECOND])
    with_key, _ = both(log, tmp_path)
    assert found(with_key) == [(THIRD, 1, "missing-lines"), (SECOND, None, "torn")]


@pytest.mark.parametrize(
    ("member", "kind"),
    [
        ({"prev_segment": "audit_2026-11-20.jsonl"}, "prev-segment"),
        ({"kcv": "0" * 16}, "kcv"),
        ({"vkey": "another"}, "kcv"),
        ({"origin": "other.example/audit/0001020304050607"}, "origin"),
        ({"log_id": "0001020304050607" + "f" * 16}, "log-id"),
        ({"format": 3}, "format"),
        ({"day": "2026-11-23"}, "segment-name"),
        ({"segment": "audit_2026-11-23.jsonl"}, "segment-name"),
        ({"frontier": ["0" * 64]}, "frontier"),
        ({"frontier": 7}, "frontier"),
        ({"base_leaf": "0" * 64}, "base-leaf"),
        ({"base_leaf": None}, "base-leaf"),
    ],
)
def test_an_open_line_that_states_something_else(tmp_path: Path, member: dict[str, Any], kind: str) -> None:
    """What a segment's first line says of the log and of the segment before it has to be so."""
    log = LogBuilder()
    log.user(2)
    honest = log.first_line

    def altered(event_type: str, **members: object) -> bytes:
        return honest(event_type, **(members | member))

    log.first_line = altered
    log.open(NEXT_DAY, checkpoint=False)
    log.user()
    report = verify(log.save(tmp_path), key=key())
    assert kind in {finding.kind for finding in report.findings}
    assert {finding.line for finding in report.findings} == {1}


def test_a_genesis_or_open_line_elsewhere_is_found(tmp_path: Path) -> None:
    """No segment starts in the middle of another, even under MACs that hold."""
    log = LogBuilder()
    other = LogBuilder(day=NEXT_DAY)
    log.seal(other.lines()[0].split(b',"log":')[0] + b"}")
    log.user()
    assert found(verify(log.save(tmp_path), key=key())) == [(FIRST, 3, "segment-start")]


def test_several_damages_do_not_hide_each_other(tmp_path: Path) -> None:
    """Each of them is in the report, wherever it is."""
    log = three_segments()
    lines = log.lines(FIRST)
    lines[2] = lines[2].replace(b"plain", b"plaim")
    log.segments[FIRST] = b"".join(lines)
    del lines
    second = log.lines(SECOND)
    del second[2]
    log.segments[SECOND] = b"".join(second)
    log.segments[THIRD] += b"unsealed\n"
    log.save(tmp_path)
    shutil.copy(tmp_path / THIRD, tmp_path / "audit_2026-12-24.jsonl")
    kinds = [kind for _, _, kind in found(verify(tmp_path, key=key()))]
    assert kinds == ["mac", "missing-lines", "foreign-file", "torn"]


def test_a_rotated_out_key_seals_nothing_any_more(tmp_path: Path) -> None:
    """Who holds an old key cannot go on under it, not even behind torn bytes and a log.recover of his own."""
    for kid in (1, 0):
        log = LogBuilder()
        old = log.keys
        log.rotate(OTHER_SECRET)
        log.user(2)
        log.keys, log.kid = old, kid
        log.torn(b"torn")
        log.user(3)
        report = verify(log.save(tmp_path), key=[key(), key(OTHER_SECRET)])
        assert report.verdict == "tampered"
