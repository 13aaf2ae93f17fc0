"""Every byte counts: whatever is flipped, cut, put in or taken away is found where it can be found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from log_builder import NEXT_DAY, OTHER_SECRET, LogBuilder, key

from or_audit_logging.evidence.report import VerificationReport
from or_audit_logging.evidence.verify import verify
from or_audit_logging.sealing.note import SigningKey

Damage = Callable[[bytes, int], bytes]

FIRST = "audit_2026-11-21.jsonl"
CHECKPOINT = b'{"event_type":"log.checkpoint"'


def flip(data: bytes, at: int) -> bytes:
    """Change one bit, another one at each position."""
    return data[:at] + bytes([data[at] ^ (1 << at % 8)]) + data[at + 1 :]


def delete(data: bytes, at: int) -> bytes:
    return data[:at] + data[at + 1 :]


def insert(data: bytes, at: int) -> bytes:
    return data[:at] + b"0\n"[at % 2 :][:1] + data[at:]


def one_segment() -> LogBuilder:
    """Return a log with a fragment, short enough to damage it everywhere."""
    log = LogBuilder()
    log.user()
    log.torn(b'{"event')
    log.user()
    return log


def positions(data: bytes) -> Iterator[int]:
    """Yield every position, but few of those in the padding of a first line."""
    pad = data.index(b'"pad":"') + 10
    end = data.index(b'"', pad) - 3
    yield from (at for at in range(len(data)) if not pad < at < end or at % 50 == 0)


def damaged(
    log: LogBuilder,
    folder: Path,
    damage: Damage,
    name: str = FIRST,
    *,
    stride: int = 1,
    within: range | None = None,
) -> Iterator[int]:
    """Save the log with one damage after the other, the last byte's among them; yield where each one is."""
    log.save(folder)
    data = log.segments[name]
    for at in positions(data):
        if (len(data) - 1 - at) % stride == 0 and (within is None or at in within):
            (folder / name).write_bytes(damage(data, at))
            yield at


def strided(*others: Damage) -> list[Any]:
    """Return (damage, stride): flips at every third byte, *others* at every fifth; or all, when slow."""
    return [
        pytest.param(flip, 3, id="flip some bytes"),
        *(pytest.param(other, 5, id=f"{other.__name__} some bytes") for other in others),
        *(
            pytest.param(damage, 1, id=f"{damage.__name__} all bytes", marks=pytest.mark.slow)
            for damage in (flip, *others)
        ),
    ]


SOME_OR_ALL = pytest.mark.parametrize(
    "stride", [pytest.param(3, id="some"), pytest.param(1, id="all", marks=pytest.mark.slow)]
)


@pytest.mark.parametrize(("damage", "stride"), strided(delete, insert))
def test_with_the_key_every_changed_byte_is_a_finding(tmp_path: Path, damage: Damage, stride: int) -> None:
    """All but one: without its last newline, or with it changed, the last line may have been torn."""
    log = one_segment()
    last = len(log.segments[FIRST]) - 1
    missed = [
        at
        for at in damaged(log, tmp_path, damage, stride=stride)
        if verify(tmp_path, key=key()).verdict != "tampered"
    ]
    assert missed == ([] if damage is insert else [last])


@pytest.mark.parametrize(("damage", "stride"), strided(delete))
def test_with_an_anchor_every_changed_byte_is_a_finding(tmp_path: Path, damage: Damage, stride: int) -> None:
    """No key is needed within the anchored range; without the newline at its end the line is the same."""
    log = one_segment()
    last = len(log.segments[FIRST]) - 1
    missed = [
        at
        for at in damaged(log, tmp_path, damage, stride=stride)
        if verify(tmp_path, anchors=[log.anchor()]).verdict != "tampered"
    ]
    assert missed == ([last] if damage is delete else [])


@SOME_OR_ALL
def test_without_the_key_the_tail_alone_may_be_changed(tmp_path: Path, stride: int) -> None:
    """Behind the anchor nothing is promised, and up to it everything."""
    log = one_segment()
    size = log.segments[FIRST].index(b'{"event_type":"log.recover"') - len(b'{"event\n')
    held = []
    for at in damaged(log, tmp_path, flip, stride=stride):
        report = verify(tmp_path, anchors=[log.anchor(3)])
        if report.verdict == "verified":
            assert report.tail == "unchecked"
            held.append(at)
    assert min(held) >= size


@SOME_OR_ALL
def test_log_cut_at_any_length(tmp_path: Path, stride: int) -> None:
    """To the key holder a cut at the end is a crash; an anchor beyond it tells.

    But for a cut behind the newline that ends torn bytes: no write of the log ends there.
    """
    log = one_segment()
    data = log.segments[FIRST]
    for at in damaged(log, tmp_path, lambda data, at: data[:at], stride=stride):
        behind_torn_bytes = data[:at].endswith(b'{"event\n')
        verdict = "tampered" if behind_torn_bytes else "unanchored" if at >= 1099 else "cannot verify"
        assert verify(tmp_path, key=key()).verdict == verdict, at
        report = verify(tmp_path, key=key(), anchors=[log.anchor()])
        assert report.verdict == ("verified" if at == len(data) - 1 else "tampered"), at


@SOME_OR_ALL
def test_line_torn_at_any_length(tmp_path: Path, stride: int) -> None:
    """A log that ends in a part of a line is intact up to there."""
    log = LogBuilder()
    log.user()
    whole = log.segments[FIRST]
    log.user()
    line = log.lines()[-1]
    for length in range(1, len(line) - 1, stride):
        log.segments[FIRST] = whole + line[:length]
        report = verify(log.save(tmp_path), key=key(), anchors=[log.anchor(3)])
        assert (report.verdict, report.lines) == ("verified", 3)
        assert [note.kind for note in report.notes] == ["torn-end"]


def test_recovery_torn_at_any_length(tmp_path: Path) -> None:
    """Also the line that describes torn bytes may be torn, and be described in its turn."""
    log = LogBuilder()
    log.user()
    whole = log.segments[FIRST]
    log.torn(b"first\n\0fragment")
    torn = log.segments[FIRST][len(whole) :]
    for length in range(18, len(torn) - 2, 7):
        again = LogBuilder()
        again.user()
        again.segments[FIRST] += torn[:length]
        report = verify(again.save(tmp_path), key=key(), anchors=[again.anchor()])
        assert (report.verdict, [note.kind for note in report.notes]) == ("verified", ["torn-end"])
        again.segments[FIRST] = whole
        again.torn(torn[:length])
        again.user()
        report = verify(again.save(tmp_path), key=key(), anchors=[again.anchor()])
        assert (report.verdict, [note.kind for note in report.notes]) == ("verified", ["recovered"])


@pytest.mark.parametrize("damage", [flip, delete])
def test_every_byte_of_a_later_segments_first_line(tmp_path: Path, damage: Damage) -> None:
    """Also what an open line states is bound, with the key and without it."""
    log = LogBuilder()
    log.user(2)
    log.open(NEXT_DAY)
    log.user()
    name = log.name
    for at in damaged(log, tmp_path, damage, name, within=range(0, 1100, 5)):
        assert verify(tmp_path, key=key()).verdict == "tampered", at
        assert verify(tmp_path, anchors=[log.anchor()]).verdict == "tampered", at


def test_every_byte_of_a_rotation(tmp_path: Path) -> None:
    """A key that becomes unknown by an edit is a finding, not a missing key."""
    log = LogBuilder()
    log.rotate(OTHER_SECRET)
    log.user(2)
    start = log.segments[FIRST].index(b'{"event_type":"log.rotate"')
    end = log.segments[FIRST].index(b"\n", start)
    for at in damaged(log, tmp_path, flip, within=range(start, end)):
        assert verify(tmp_path, key=[key(), key(OTHER_SECRET)]).verdict == "tampered", at
        assert verify(tmp_path, key=key()).verdict == "tampered", at


# a signed log, every byte of both segments


SIGNING = SigningKey.generate() if find_spec("cryptography") else None
STRIDES = [
    pytest.param(0, 131, id="some bytes"),
    *(pytest.param(part, 8, id=f"all bytes, {part + 1} of 8", marks=pytest.mark.slow) for part in range(8)),
]


def two_segments() -> LogBuilder:
    """Return a log of two segments and 12 lines; its last checkpoint, two lines before the end, is kept."""
    log = LogBuilder(signing=SIGNING)
    log.user(2)
    log.checkpoint()
    log.open(NEXT_DAY)
    log.user(2)
    log.checkpoint()
    log.user(2)
    return log


def cut(data: bytes, at: int) -> bytes:
    return data[:at]


@pytest.mark.parametrize("damage", [flip, delete, insert, cut])
@pytest.mark.parametrize(("first", "stride"), STRIDES)
def test_no_damaged_byte_of_a_signed_log_passes(
    tmp_path: Path, damage: Damage, first: int, stride: int
) -> None:
    """With the secret alone, with public key and anchor alone, with all of it; nothing raises.

    What a crash may leave is no finding, and without the secret nothing is promised behind the anchor.
    """
    log = two_segments()
    folder, anchor = log.save(tmp_path / "log"), tmp_path / "kept"
    kept = log.lines()[4]
    anchor.write_bytes(kept)
    public: dict[str, Any] = {"anchors": [anchor]}
    if SIGNING is not None:
        public["public_key"] = SIGNING.public
    for name, data in log.segments.items():
        anchored = data.index(kept) - 1 if name == log.name else len(data)  # but for the newline at its end
        for at in range(first, len(data), stride):
            changed = damage(data, at)
            (folder / name).write_bytes(changed)
            is_torn = name == log.name and is_crash(data, changed)
            where = (name, at)
            report = verify(folder, key=key())
            assert report.verdict == ("unanchored" if is_torn else "tampered"), where
            report = verify(folder, key=key(), **public)
            assert report.verdict == ("verified" if is_torn and at >= anchored else "tampered"), where
            report = verify(folder, **public)
            if at < anchored:
                assert report.verdict == "tampered", where
            else:
                assert report.verdict in ("tampered", "verified"), where
        (folder / name).write_bytes(data)


def is_crash(data: bytes, damaged: bytes) -> bool:
    """Return whether a crash could have left *damaged*: whole lines of *data*, and at most a torn end."""
    return data.startswith(damaged[: damaged.rfind(b"\n") + 1])


# single changes, and what is said of them


def change(
    folder: Path, old: bytes, new: bytes, *, count: int = 1, log: LogBuilder | None = None
) -> VerificationReport:
    """Return the report on a small log in which *old* was replaced."""
    if log is None:
        log = LogBuilder()
        log.user(6)
        log.checkpoint()
    assert old in log.segments[FIRST]
    log.segments[FIRST] = log.segments[FIRST].replace(old, new, count)
    return verify(log.save(folder), key=key())


def test_an_edited_line_is_located(tmp_path: Path) -> None:
    """The altered line is named, and the line after it, whose MAC fails with it, is not."""
    report = change(tmp_path, b'000004","timestamp', b'000009","timestamp')
    assert [(f.segment, f.line, f.seq, f.kind) for f in report.findings] == [(FIRST, 5, 4, "mac")]


def test_two_edits_are_located(tmp_path: Path) -> None:
    """Going on behind an altered line does not hide the next one."""
    log = LogBuilder()
    log.user(9)
    lines = log.lines()
    for at in (3, 7):
        lines[at] = lines[at].replace(b"plain", b"plaim")
    log.segments[FIRST] = b"".join(lines)
    report = verify(log.save(tmp_path), key=key())
    assert [(f.line, f.kind) for f in report.findings] == [(4, "mac"), (8, "mac")]


@pytest.mark.parametrize(("edited", "named"), [([3, 4], [3, 4]), ([3, 5], [3, 4, 5]), ([3, 4, 5], [3, 4, 5])])
def test_edits_close_together_are_all_named(tmp_path: Path, edited: list[int], named: list[int]) -> None:
    """Where the line after an edit cannot be cleared by the next one, it is named too."""
    log = LogBuilder()
    log.user(9)
    lines = log.lines()
    for seq in edited:
        lines[seq] = lines[seq].replace(b"plain", b"plaim")
    log.segments[FIRST] = b"".join(lines)
    report = verify(log.save(tmp_path), key=key())
    assert [f.seq for f in report.findings] == named


def test_an_edited_last_line_is_located(tmp_path: Path) -> None:
    """At the end there is no line after it to excuse."""
    log = LogBuilder()
    log.user(3)
    *before, last = log.lines()
    log.segments[FIRST] = b"".join([*before, last.replace(b"plain", b"plaim")])
    report = verify(log.save(tmp_path), key=key())
    assert [(f.seq, f.kind) for f in report.findings] == [(4, "mac")]


def test_a_line_that_cannot_be_judged_is_noted(tmp_path: Path) -> None:
    """The last line behind an altered one may be right or not: nothing follows that could tell."""
    log = LogBuilder()
    log.user(3)
    *before, altered, last = log.lines()
    log.segments[FIRST] = b"".join([*before, altered.replace(b"plain", b"plaim"), last])
    report = verify(log.save(tmp_path), key=key())
    assert [f.seq for f in report.findings] == [3]
    assert [(n.line, n.kind) for n in report.notes] == [(5, "doubtful")]


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (b'"}\n', b'"}\r\n', "shape"),
        (b"}\n", b"}\n\n", "shape"),
        (b"}\n", b"} \n", "torn"),
        (b'{"event_type":"chat', b'\xef\xbb\xbf{"event_type":"chat', "shape"),
        (b'"plain"', b'"pla\xc3\xafn"', "shape"),
        (b'"plain"', b'"pla\tn"', "shape"),
        (b'"plain"', b'"pla\x7fn"', "shape"),
        (b'"plain"', b'"\\u0070lain"', "mac"),
        (b'"note":"plain"', b'"note": "plain"', "mac"),
        (b'"note":"plain"', b'"note":"plain","note":"plain"', "mac"),
        (b'"kid":0', b'"kid":1', "kid"),
        (b'"seq":3', b'"seq":03', "shape"),
        (b'"seq":3', b'"seq":+3', "shape"),
        (b'"log":"0001', b'"log":"0002', "log-id"),
    ],
)
def test_every_other_spelling_is_a_finding(tmp_path: Path, old: bytes, new: bytes, kind: str) -> None:
    """Bytes are what was sealed: no other form of the same JSON passes."""
    log = LogBuilder()
    log.user(6)
    head, tail = log.segments[FIRST].split(b'{"event_type":"chat', 1)
    log.segments[FIRST] = head + (b'{"event_type":"chat' + tail).replace(old, new, 1)
    report = verify(log.save(tmp_path), key=key())
    assert kind in [finding.kind for finding in report.findings]
    assert report.finding_count == 1


def test_a_line_without_a_seal_is_a_finding(tmp_path: Path) -> None:
    """A record written past the log stands out, also at its end."""
    for place in (3, 8):
        log = LogBuilder()
        log.user(6)
        lines = log.lines()
        lines.insert(place, b'{"event_type":"chat_completion","v":1}\n')
        log.segments[FIRST] = b"".join(lines)
        report = verify(log.save(tmp_path), key=key())
        assert [(f.line, f.kind) for f in report.findings] == [(place + 1, "shape")]


def test_a_line_longer_than_any_is_a_finding(tmp_path: Path) -> None:
    """A megabyte is the limit, and nothing hides behind it."""
    log = LogBuilder()
    log.user(2)
    lines = log.lines()
    lines[2:2] = [b"{" + b"x" * ((1 << 20) - 1), lines[2]]
    log.segments[FIRST] = b"".join(lines)
    report = verify(log.save(tmp_path), key=key())
    assert [(f.line, f.kind) for f in report.findings] == [(3, "shape")]


def test_a_users_line_in_the_logs_name_is_a_finding(tmp_path: Path) -> None:
    """What begins like a control line has to be one, even under a MAC that holds."""
    for body in (
        b'{"event_type":"log.note","v":1}',
        b'{"event_type":"log.stop","v":1,"pid":1}',
        b'{"event_type":"log.stop","v":1,"id":"x","timestamp":"yesterday","pid":1}',
        b'{"event_type":"log.stop",' + b'"x":[' * 5000 + b"]" * 5000 + b"}",
    ):
        log = LogBuilder()
        log.seal(body)
        log.user()
        report = verify(log.save(tmp_path), key=key(), anchors=[log.anchor()])
        assert [(f.line, f.kind) for f in report.findings] == [(3, "control")]


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ({"size": 3}, "checkpoint-size"),
        ({"size": None}, "checkpoint-size"),
        ({"root": "AAAA"}, "checkpoint-root"),
        ({"root": None}, "checkpoint-root"),
        ({"frontier": []}, "checkpoint-root"),
        ({"frontier": None}, "checkpoint-root"),
        ({"frontier": ["0" * 64]}, "checkpoint-root"),
        ({"frontier": ["g" * 64]}, "checkpoint-root"),
        ({"note": 7}, "checkpoint-note"),
        ({"note": "x"}, "checkpoint-note"),
    ],
)
def test_a_checkpoint_that_states_something_else(
    tmp_path: Path, members: dict[str, object], kind: str
) -> None:
    """Even a checkpoint that the key holder sealed has to state the tree as it is."""
    log = LogBuilder()
    honest = LogBuilder().checkpoint()
    stated = {name: json.loads(honest)[name] for name in ("size", "root", "frontier", "note")}
    log.control("log.checkpoint", **(stated | members))
    log.user()
    report = verify(log.save(tmp_path), key=key())
    assert [finding.kind for finding in report.findings] == [kind]


def test_a_note_of_another_tree_in_a_checkpoint(tmp_path: Path) -> None:
    """The signed note inside a checkpoint is about the same tree as the line around it."""
    log = LogBuilder()
    other = LogBuilder(host="other.example")
    old = log.note(1)
    for note in (old, other.note(2)):
        log = LogBuilder()
        stated = {name: json.loads(LogBuilder().checkpoint())[name] for name in ("size", "root", "frontier")}
        log.control("log.checkpoint", note=note, **stated)
        report = verify(log.save(tmp_path), key=key())
        assert [finding.kind for finding in report.findings] == ["checkpoint-note"]


def test_without_the_key_an_edit_lies_before_the_checkpoint_that_tells(tmp_path: Path) -> None:
    """Checkpoints in the log locate an edit between two of them, and the next one matches again."""
    log = LogBuilder()
    for _ in range(4):
        log.user(3)
        log.checkpoint()
    lines = log.lines()
    lines[7] = lines[7].replace(b"plain", b"plaim")
    log.segments[FIRST] = b"".join(lines)
    report = verify(log.save(tmp_path), anchors=[log.anchor(5)])
    assert [(f.line, f.kind) for f in report.findings] == [(10, "checkpoint-root")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'{"event\n', b""),
        (b'{"event\n', b"\n"),
        (b'{"event\n', b'{"evens\n'),
        (b'{"event\n', b'{"event\n\n'),
        (b'{"event\n', b'{"event\n{"event\n'),
        (b'{"event\n', b'{"event'),
    ],
)
def test_torn_bytes_must_be_those_described(tmp_path: Path, old: bytes, new: bytes) -> None:
    """A log.recover speaks of certain bytes; others in their place, or none, are a finding."""
    log = one_segment()
    log.segments[FIRST] = log.segments[FIRST].replace(old, new, 1)
    for arguments in ({"key": key()}, {"anchors": [log.anchor()]}):
        assert verify(log.save(tmp_path), **arguments).verdict == "tampered"


def test_torn_bytes_without_a_recover_are_a_finding(tmp_path: Path) -> None:
    """A crash is described by the writer that comes after it."""
    log = LogBuilder()
    log.user()
    log.segments[FIRST] += b'{"event_type":"chat\n'
    log.user()
    report = verify(log.save(tmp_path), key=key())
    assert [(f.line, f.kind) for f in report.findings] == [(4, "torn")]


@pytest.mark.parametrize("wrong", [{"after_seq": 0}, {"length": 6}, {"sha256": "0" * 64}, {"segment": None}])
def test_a_recover_must_describe_exactly(tmp_path: Path, wrong: dict[str, object]) -> None:
    """Place, length and hash of torn bytes are all bound."""
    log = LogBuilder()
    torn = {"length": 7, "sha256": hashlib.sha256(b'{"event').hexdigest()}
    log.control("log.recover", b'{"event\n', **({"segment": FIRST, "after_seq": 1} | torn | wrong))
    report = verify(log.save(tmp_path), key=key())
    assert "recover" in [finding.kind for finding in report.findings]
