"""Keys, leaf hashes and MACs, against vectors made without this package."""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from or_audit_logging.sealing.chain import LogKeys, digest_key, genesis_prev, hkdf, key_id, leaf_hash
from or_audit_logging.sealing.line import close_suffix, open_suffix, parse_line

VECTORS = Path(__file__).parent / "vectors"


def test_vector_files_are_what_their_script_makes() -> None:
    """The vectors come from the script beside them, byte for byte."""
    spec = importlib.util.spec_from_file_location("make_vectors", VECTORS / "make_vectors.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, content in module.vectors().items():
        assert (VECTORS / name).read_text("ascii") == json.dumps(content, indent=1) + "\n"


@pytest.mark.parametrize(
    ("ikm", "salt", "info", "length", "okm"),
    [
        (
            "0b" * 22,
            "000102030405060708090a0b0c",
            "f0f1f2f3f4f5f6f7f8f9",
            42,
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            "0b" * 22,
            "",
            "",
            42,
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ],
)
def test_hkdf_gives_the_answers_of_rfc_5869(ikm: str, salt: str, info: str, length: int, okm: str) -> None:
    """Test cases 1 and 3 of RFC 5869, appendix A."""
    derived = hkdf(bytes.fromhex(ikm), salt=bytes.fromhex(salt), info=bytes.fromhex(info), length=length)
    assert derived.hex() == okm


def test_keys_are_derived_as_the_vectors_say(vectors: Any) -> None:
    """Key check value, key id, digest key and the stand-in for the line before seq 0."""
    log = vectors("log.json")
    secret, log_id = log["secret"].encode(), bytes.fromhex(log["log_id"])
    assert LogKeys(secret, log_id=log_id).kcv == log["kcv"]
    assert key_id(secret) == log["key_id"]
    assert digest_key(secret).secret.hex() == log["digest_key"]
    assert genesis_prev(log["origin"], log_id).hex() == log["prev_of_seq_0"]


def test_every_line_of_the_vector_log_can_be_sealed_again(vectors: Any) -> None:
    """Sealing the same bytes under the same key gives the same line, and the same leaf."""
    log = vectors("log.json")
    keys = LogKeys(log["secret"].encode(), log_id=bytes.fromhex(log["log_id"]))
    prev = bytes.fromhex(log["prev_of_seq_0"])
    lines = [line for segment in log["segments"].values() for line in segment]
    for seq, (line, leaf) in enumerate(zip(lines, log["leaves"], strict=True)):
        body = (line[: line.index(',"log":"')] + "}").encode()
        part = open_suffix(body, log=log["log_id"][:16], seq=seq, kid=0)
        assert close_suffix(part, keys.mac(prev, part)) == line.encode()
        prev = leaf_hash(line.encode())
        assert prev.hex() == leaf


def test_macs_are_accepted_and_refused_as_the_vectors_say(vectors: Any) -> None:
    """Right MACs hold; each wrong one, made by one small change, does not."""
    log = vectors("log.json")
    keys = LogKeys(log["secret"].encode(), log_id=bytes.fromhex(log["log_id"]))
    for row in vectors("macs.json"):
        line = parse_line(row["line"].encode())
        held = keys.check(bytes.fromhex(row["prev"]), line.sealed_part, line.mac)
        assert held is row["right"], row["desc"]


def test_the_two_state_hmac_equals_hmac() -> None:
    """The prepared SHA-256 states give what the standard library's HMAC gives."""
    secret, log_id = b"x" * 40, bytes(16)
    key = hkdf(secret, salt=log_id, info=b"or-audit/v1/line")
    expected = hmac.new(key, b"or-audit/v1/line\0" + b"p" * 32 + b"part", hashlib.sha256).digest()
    assert LogKeys(secret, log_id=log_id).mac(b"p" * 32, b"part") == expected


def test_keys_of_one_secret_differ_between_logs() -> None:
    """A line cannot be moved to another log under the same secret."""
    one, two = LogKeys(b"x" * 40, log_id=bytes(16)), LogKeys(b"x" * 40, log_id=b"\1" * 16)
    assert one.mac(bytes(32), b"part") != two.mac(bytes(32), b"part")
    assert one.kcv != two.kcv
