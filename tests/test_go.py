"""Notes and inclusion proofs against another implementation: Go's golang.org/x/mod/sumdb/note and tlog."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY
from log_builder import NEXT_DAY, LogBuilder

from or_audit_logging.evidence.prove import prove
from or_audit_logging.sealing.chain import leaf_hash
from or_audit_logging.sealing.checkpoint import TreeHead, encode_root, note_text
from or_audit_logging.sealing.merkle import Frontier, InclusionPath
from or_audit_logging.sealing.note import SigningKey

pytest.importorskip("cryptography", reason="needs the extra sign")

GOPATH = Path("/usr/share/gocode")
"""Where Debian's golang-golang-x-mod-dev puts its sources."""
ANY_LINES = 70

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("go") is None or not (GOPATH / "src/golang.org/x/mod/sumdb/tlog").is_dir(),
        reason="needs Go and its sumdb: apt-get install golang-go golang-golang-x-mod-dev",
    ),
]


def ask(folder: Path, **question: object) -> dict[str, Any]:
    """Return what Go answers."""
    done = subprocess.run(
        ["go", "run", str(REPOSITORY / "tests" / "go" / "sumdb.go")],
        input=json.dumps(question),
        env=os.environ | {"GO111MODULE": "off", "GOPATH": str(GOPATH), "GOCACHE": str(folder), "GOFLAGS": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Go's build cache, shared by the tests here."""
    return tmp_path_factory.mktemp("go")


def test_go_finds_the_same_notes_signed(cache: Path, vectors: Any) -> None:
    """Those of the vectors; Go looks at a key's first signature only, and knows no checkpoints."""
    rows = [row for row in vectors("notes.json") if row["desc"] != "a good signature before a bad one"]
    answer = ask(cache, notes=[{"note": row["note"], "key": row["verifier_key"]} for row in rows])
    for row, signed in zip(rows, answer["Notes"], strict=True):
        assert signed == (row["signed"] is True), row["desc"]


def test_go_and_we_sign_the_same_note(cache: Path) -> None:
    """For keys and trees of all kinds, and each verifies the other's."""
    notes, texts = [], []
    for number in range(20):
        key = SigningKey.generate()
        origin, head = f"host-{number}.example/audit/{number:016x}", TreeHead(10**number // 7, os.urandom(32))
        verifier = key.verifier_key(origin)
        seed = base64.b64decode("".join(key.to_pem().decode().split("\n")[1:-2]))[-32:]
        private = base64.b64encode(b"\1" + seed).decode()
        signer = f"PRIVATE+KEY+{origin}+{verifier.key_hash.hex()}+{private}"
        notes.append({"note": key.sign_note(origin, head), "key": str(verifier)})
        texts.append({"text": note_text(origin, head), "key": signer})
    answer = ask(cache, notes=notes, texts=texts)
    assert answer["Notes"] == [True] * len(notes)
    assert answer["Texts"] == [note["note"] for note in notes]


def test_go_and_we_make_the_same_trees_and_proofs(cache: Path) -> None:
    """Every leaf of every tree of up to 70 lines."""
    lines = [f"line {number}" for number in range(ANY_LINES)]
    answer = ask(cache, lines=lines)
    tree, leaves = Frontier(), [leaf_hash(line.encode()) for line in lines]
    for size, root in enumerate(answer["Roots"], 1):
        tree.append(leaves[size - 1])
        assert encode_root(tree.root()) == root
    for index in range(ANY_LINES):
        proof = InclusionPath(index, Frontier())
        for size, leaf in enumerate(leaves, 1):
            proof.append(leaf)
            if size > index:
                assert list(map(encode_root, proof.path())) == answer["Paths"][size - 1][index]


def test_go_checks_the_proofs_of_a_log(tmp_path: Path, cache: Path) -> None:
    """Note and path as they stand in the file that is handed over; and not with another line."""
    log = LogBuilder(signing=SigningKey.generate())
    log.user(20)
    log.checkpoint()
    log.open(NEXT_DAY)
    log.user(20)
    log.checkpoint()
    folder = log.save(tmp_path / "log")
    assert log.signing is not None
    notes, proofs = [], []
    for seq in range(log.seq - 1):
        proven = prove(folder, seq)
        assert proven.line is not None
        notes.append({"note": proven.proof.note, "key": str(log.signing.verifier_key(log.origin))})
        text = proven.line.decode()
        for line in (text, text + " "):
            proofs.append(
                {
                    "line": line,
                    "index": seq,
                    "size": proven.size,
                    "root": proven.proof.note.split("\n")[2],
                    "path": list(map(encode_root, proven.proof.path)),
                }
            )
    answer = ask(cache, notes=notes, proofs=proofs)
    assert answer["Notes"] == [True] * len(notes)
    assert answer["Proofs"] == [True, False] * (len(proofs) // 2)
