"""Anchors: every form in which somebody may have kept a checkpoint is read, and nothing else is."""

from __future__ import annotations

import gzip
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from json_values import JSON
from log_builder import DAY, LOG_ID, LogBuilder

from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.anchors import Anchor, collect, read_anchors
from or_audit_logging.evidence.copies import Copies, notes_in

KEPT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
LOG = LOG_ID.hex()[:16]


@pytest.fixture
def log() -> LogBuilder:
    """Return a log of five lines."""
    built = LogBuilder()
    built.user(3)
    return built


def kept(folder: Path, text: str | bytes, name: str = "kept.txt") -> Path:
    """Keep *text* in a file, since the 24th."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    os.utime(path, (KEPT.timestamp(), KEPT.timestamp()))
    return path


def heads(anchors: list[Anchor]) -> list[tuple[int, bytes]]:
    """Return size and root of each anchor."""
    return [(anchor.size, anchor.root) for anchor in anchors]


def test_note_is_an_anchor(tmp_path: Path, log: LogBuilder) -> None:
    """A checkpoint note has an origin; its time is the file's."""
    path = kept(tmp_path, log.note())
    root = log.heads[5].root
    assert read_anchors(path) == [Anchor(5, root, log.origin, None, KEPT, f"{path}:1")]


def test_sealed_line_is_an_anchor(tmp_path: Path, log: LogBuilder) -> None:
    """A sealed checkpoint line bears its log's id; its own timestamp is not its time."""
    path = kept(tmp_path, log.checkpoint() + "\n")
    root = log.heads[5].root
    assert read_anchors(path) == [Anchor(5, root, None, LOG, KEPT, f"{path}:1")]


def test_origin_is_taken_from_the_note_in_a_line(tmp_path: Path, log: LogBuilder) -> None:
    """A line with a signed note in it names its origin."""
    (anchor,) = read_anchors(kept(tmp_path, log.checkpoint(note=True)))
    assert (anchor.origin, anchor.log) == (log.origin, LOG)


@pytest.mark.parametrize("form", ["note", "line", "line with note"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda text: text,
        json.dumps,
        lambda text: json.dumps({"message": text}),
        lambda text: json.dumps({"a": [1, {"b": [None, {"c": text}]}]}),
        lambda text: json.dumps({text: 1}),
        lambda text: json.dumps({"log": json.dumps({"message": text}) + "\n", "stream": "stdout"}),
        lambda text: json.dumps([{"message": text}], indent=4),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: json.dumps({"n": 1}) + "\n" + json.dumps({"message": text}) + "\n\nnot json\n",
    ],
)
def test_every_wrapping_is_opened(tmp_path: Path, log: LogBuilder, form: str, wrap: Any) -> None:
    """What ships logs wraps them in JSON, once or twice; the checkpoint is found in it."""
    text = log.note() if form == "note" else log.checkpoint(note=form != "line")
    assert heads(read_anchors(kept(tmp_path, wrap(text)))) == [(5, log.heads[5].root)]


def test_line_behind_a_shippers_prefix_is_found(tmp_path: Path, log: LogBuilder) -> None:
    """Text logs put time and logger before the message."""
    path = kept(tmp_path, f"2026-11-21 10:00:07 INFO or_audit_logging.checkpoint {log.checkpoint()}\n")
    assert heads(read_anchors(path)) == [(5, log.heads[5].root)]


def test_every_checkpoint_of_a_shipped_log_is_an_anchor(tmp_path: Path, log: LogBuilder) -> None:
    """A copy of all lines that was kept elsewhere holds as many anchors as checkpoints."""
    log.checkpoint()
    log.user(2)
    log.checkpoint()
    path = kept(tmp_path, log.segments[f"audit_{DAY}.jsonl"])
    assert [anchor.size for anchor in read_anchors(path)] == [1, 5, 8]


def test_folder_is_read_with_all_below_it(tmp_path: Path, log: LogBuilder) -> None:
    """Whatever the files are called, each is looked into."""
    (tmp_path / "2026" / "11").mkdir(parents=True)
    kept(tmp_path / "2026", log.note(3), "b")
    kept(tmp_path / "2026" / "11", log.note(4), "a.json")
    kept(tmp_path, log.note(2), "z.txt")
    assert sorted(heads(read_anchors(tmp_path)), key=lambda head: head[0]) == [
        (size, log.heads[size].root) for size in (2, 3, 4)
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"\0" * 5000,
        b"\xff\xfe garbage",
        b"{" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'[{"' * 200_000,
        b'[{"a":\n' * 30_000,
        b'{"a":' * 3000 + b"1" + b"}" * 3000,
        b"x" * (3 << 20),
        b'{"event_type":"log.checkpoint",',
        b'{"event_type":"log.checkpoint","size":5}',
        b'{"n":' + b"9" * 5000 + b"}",
        b"host/audit/0001020304050607\n5\nnot-a-root\n",
        b"host/audit/0001020304050607\n05\n" + b"A" * 43 + b"=\n",
        b"two words\n5\n" + b"A" * 43 + b"=\n",
        b'"\\ud800"',
    ],
)
def test_other_files_are_listed_as_such(tmp_path: Path, content: bytes) -> None:
    """What holds no checkpoint is a note, never an exception."""
    anchors, notes = collect(kept(tmp_path, content))
    assert anchors == []
    assert [note.kind for note in notes] == [
        "anchor-damaged" if b"log.checkpoint" in content else "anchor-none"
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"size":5', '"size":6'),
        ('"size":5', '"size":"5"'),
        ('"size":5', '"size":5.0'),
        ('"seq":5', '"seq":6'),
        ('"root":"', '"root":"A'),
        ('"note":null', '"note":"x"'),
        ('"frontier":', '"frontiers":'),
        ('"mac":"', '"mac":"0'),
    ],
)
def test_lines_that_contradict_themselves_are_no_anchors(
    tmp_path: Path, log: LogBuilder, old: str, new: str
) -> None:
    """A checkpoint line has to have the form of one."""
    line = log.checkpoint()
    assert old in line
    anchors, notes = collect(kept(tmp_path, line.replace(old, new)))
    assert (anchors, [note.kind for note in notes]) == ([], ["anchor-damaged"])


def test_note_of_another_tree_in_a_line_is_no_anchor(tmp_path: Path, log: LogBuilder) -> None:
    """Line and note inside it state the same size and root."""
    line = log.checkpoint(note=True)
    wrong = line.replace("\\n5\\n", "\\n4\\n")
    assert wrong != line
    assert read_anchors(kept(tmp_path, wrong)) == []


def test_missing_place_is_a_mistake(tmp_path: Path) -> None:
    """A path that is not there is the caller's error, not an absence of anchors."""
    with pytest.raises(ConfigError, match="there is no anchor"):
        read_anchors(tmp_path / "nowhere")


def test_unreadable_file_is_noted(tmp_path: Path, log: LogBuilder) -> None:
    """A file that cannot be read keeps nobody from reading the others."""
    kept(tmp_path, log.note())
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    anchors, notes = collect(tmp_path)
    assert (len(anchors), [note.kind for note in notes]) == (1, ["anchor-unreadable"])


def test_files_in_the_logs_own_folder_are_refused(tmp_path: Path, log: LogBuilder) -> None:
    """What stands beside the log can be changed with it, also through another name of the folder."""
    folder = tmp_path / "audit_logs"
    folder.mkdir()
    kept(folder, log.note())
    (tmp_path / "elsewhere").symlink_to(folder, target_is_directory=True)
    for place in (folder / "kept.txt", folder, tmp_path / "elsewhere" / "kept.txt"):
        anchors, notes = collect(place, refuse=folder)
        assert anchors == []
        assert [note.kind for note in notes] == ["anchor-refused"]
        assert "keep anchors elsewhere" in notes[0].message


NOTE, LINE = LogBuilder().note(), LogBuilder().checkpoint(note=True)
PIECES = st.sampled_from(
    [NOTE, LINE, LINE[:-1], f"2026-11-21 x: {LINE}", NOTE.replace("2", "9" * 5000), "\ufeff"]
)
CHANGED = st.tuples(st.sampled_from([NOTE, LINE]), st.floats(0, 1), st.text(max_size=2)).map(
    lambda change: change[0][: round(change[1] * 60)] + change[2] + change[0][round(change[1] * 60) + 1 :]
)
DOCUMENTS = st.recursive(
    PIECES | CHANGED | JSON,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3) | PIECES, inner, max_size=3)
        | inner.map(json.dumps)
    ),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.binary(max_size=60)
        | DOCUMENTS.map(lambda item: json.dumps(item).encode())
        | CHANGED.map(lambda text: text.encode("utf-8", "surrogatepass")),
        max_size=3,
    )
)
def test_nothing_that_is_kept_makes_it_raise(tmp_path: Path, contents: list[bytes]) -> None:
    """Bytes, JSON of any shape, and checkpoints in it, whole and changed, are read as anchors or noted."""
    anchors, notes = collect(kept(tmp_path, b"\n".join(contents)))
    assert bool(anchors) != ("anchor-none" in {note.kind for note in notes}) or "anchor-damaged" in {
        note.kind for note in notes
    }
    for anchor in anchors:
        assert type(anchor.size) is int
        assert len(anchor.root) == 32


def test_a_file_of_many_notes_is_counted_through_once() -> None:
    """Each note says on which line it stands; to count from the beginning for each would take hours."""

    class Scanned(str):
        total = 0

        def count(self, what: str, start: Any = 0, end: Any = None) -> int:
            Scanned.total += (len(self) if end is None else end) - start
            return str(self).count(what, start, end)

    copies, text = Copies(), Scanned(f"{NOTE}\n" * 200)
    notes_in(text, copies, line=3)
    lines = NOTE.count("\n") + 1
    assert copies.last is not None
    assert (copies.last.line, len(copies.found)) == (3 + lines * 199, 1)
    assert Scanned.total <= len(text)


def test_json_that_is_deep_is_passed_over(tmp_path: Path) -> None:
    """Brackets without end, and strings of JSON in strings of JSON."""
    text = NOTE
    for _ in range(12):
        text = json.dumps([text])
    for content in (b"[" * 1_000_000, b'{"a":' * 300_000, text.encode()):
        anchors, _ = collect(kept(tmp_path, content))
        assert len(anchors) == (content == text.encode())


class TestWhatIsSaidTwice:
    """A file may say one thing a hundred thousand times, and have few bytes: it is kept once."""

    def test_in_lines(self, tmp_path: Path, log: LogBuilder) -> None:
        """Where it stands first; a checkpoint that stood there before is no news of today."""
        line = log.checkpoint() + "\n"
        for text in (line * 1_000, f"{json.dumps([line] * 1_000)}\n", log.note() * 1_000, f"[{line * 2}]\n"):
            path = kept(tmp_path, gzip.compress(text.encode()))
            (anchor,) = read_anchors(path)
            assert (anchor.where, anchor.kept_at) == (f"{path}:1", None)

    def test_the_last_one_counts_where_it_stands(self, tmp_path: Path, log: LogBuilder) -> None:
        """The log whose checkpoint was added last gets the file's time, unless that was said before."""
        first = log.checkpoint() + "\n"
        log.user()
        second = log.checkpoint() + "\n"
        dates = [KEPT, KEPT]
        assert [one.kept_at for one in read_anchors(kept(tmp_path, first * 2 + second))] == dates
        text = f"{json.dumps([first, second, first])}\n"
        for again in (first + second + first, text, "no checkpoint\n" + text):
            assert [one.kept_at for one in read_anchors(kept(tmp_path, again))] == [None, None]

    def test_the_first_of_its_times_is_kept(self, tmp_path: Path, log: LogBuilder) -> None:
        """Whoever sends it again makes it no newer; nor does who sends it first with a later time."""
        message, later = log.checkpoint(), log.user() or log.checkpoint()
        times = [1_800_000_000_000, 1_700_000_000_000, 1_750_000_000_000]
        events = [{"message": message, "ingestionTime": time} for time in times]
        (anchor,) = read_anchors(kept(tmp_path, json.dumps({"events": events})))
        assert anchor.kept_at == datetime.fromtimestamp(times[1] / 1000, UTC)
        lines = [f"2026-11-2{day}T10:00:00Z {message}\n" for day in (3, 1, 2)]
        text = "".join([*lines, later, "\n"])
        assert [one.kept_at for one in read_anchors(kept(tmp_path, text))] == [
            datetime(2026, 11, 21, 10, tzinfo=UTC),
            KEPT,
        ]
