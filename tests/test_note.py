"""Signed notes: who signed a checkpoint, and what passes for a key."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from or_audit_logging.errors import ConfigError, FormatError, KeyNotFoundError, SignatureError
from or_audit_logging.sealing.checkpoint import (
    MAX_SIGNATURES,
    CheckpointNote,
    Signature,
    TreeHead,
    parse_note,
    split_note,
)
from or_audit_logging.sealing.note import PublicKey, SigningKey, VerifierKey

pytest.importorskip("cryptography", reason="needs the extra sign")

SEED = bytes(range(32))
PKCS8_START = bytes.fromhex("302e020100300506032b657004220420")
ORIGIN = "audit.example/audit/0001020304050607"
HEAD = TreeHead(3, hashlib.sha256(b"three lines").digest())

PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\u2014 PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
"""The example of golang.org/x/mod/sumdb/note, from which C2SP's signed note comes."""


def pem(kind: str, der: bytes) -> bytes:
    body = base64.encodebytes(der).decode()
    return f"-----BEGIN {kind}-----\n{body}-----END {kind}-----\n".encode()


def signing_key(seed: bytes = SEED) -> SigningKey:
    return SigningKey.from_pem(pem("PRIVATE KEY", PKCS8_START + seed))


KEY = signing_key()
OTHER = signing_key(bytes(32))
NOTE = KEY.sign_note(ORIGIN, HEAD)


def signed_by(public: PublicKey, note: str) -> bool | str:
    """Return what checking says: signed, not signed, wrong, or no note at all."""
    try:
        return public.is_signed(parse_note(note))
    except SignatureError:
        return "wrong"
    except FormatError:
        return "no note"


def test_the_note_that_the_format_came_with_is_checked() -> None:
    """Go's own example holds under its key, and not with another word in it."""
    key = VerifierKey.parse(PETER)
    assert str(key) == PETER
    assert key.has_signed(*split_note(PETER_NOTE))
    with pytest.raises(SignatureError) as caught:
        key.has_signed(*split_note(PETER_NOTE.replace("cryptography", "a blockchain")))
    assert caught.value.key == PETER


def test_notes_and_keys_are_judged_as_the_vectors_say(vectors: Any) -> None:
    """Every row: the note, the key, and whether it is signed, not signed or wrong."""
    for row in vectors("notes.json"):
        public = PublicKey.parse(row["public_key"])
        assert signed_by(public, row["note"]) == row["signed"], row["desc"]
    for row in vectors("verifier_keys.json"):
        if row["right"]:
            key = VerifierKey.parse(row["key"])
            assert (str(key), key.name, key.public.hex()) == (row["key"], row["name"], row["public"]), row[
                "desc"
            ]
        else:
            with pytest.raises(FormatError):
                VerifierKey.parse(row["key"])


def test_what_is_signed_is_what_the_vectors_hold(vectors: Any) -> None:
    """Ed25519 gives the same signature for the same key and text, whoever makes it."""
    row = vectors("notes.json")[0]
    note = parse_note(row["note"])
    key = signing_key(bytes.fromhex(row["seed"]))
    assert key.sign_note(note.origin, note.head) == row["note"]
    assert str(key.verifier_key(note.origin)) == row["verifier_key"]


def test_what_was_signed_is_checked_with_either_kind_of_public_key() -> None:
    """A PEM checks every log of the key; a verifier key only that of its name."""
    by_pem = PublicKey.parse(KEY.public.to_pem())
    by_name = PublicKey.parse(f" {KEY.verifier_key(ORIGIN)}\n")
    assert by_pem == KEY.public
    assert signed_by(by_pem, NOTE) is True
    assert signed_by(by_name, NOTE) is True
    elsewhere = KEY.sign_note("audit.example/other/0001020304050607", HEAD)
    assert signed_by(by_pem, elsewhere) is True
    assert signed_by(by_name, elsewhere) is False
    assert by_pem.for_origin("x/y") == KEY.verifier_key("x/y")
    with pytest.raises(KeyNotFoundError, match="not of x/y"):
        by_name.for_origin("x/y")


def test_signatures_of_others_are_passed_over() -> None:
    """Before, behind and under the same name; alone they do not count."""
    other = OTHER.sign_note(ORIGIN, HEAD).rpartition("\n\n")[2]
    witness = str(OTHER.sign("witness.example", "whatever\n")) + "\n"
    text, _, own = NOTE.rpartition("\n\n")
    for lines in (own + other, other + own, witness + own + witness, own + own):
        assert signed_by(KEY.public, f"{text}\n\n{lines}") is True
    for lines in (other, witness, other + witness):
        assert signed_by(KEY.public, f"{text}\n\n{lines}") is False
    assert signed_by(KEY.public, text + "\n") is False


def test_a_bad_signature_is_not_mended_by_a_good_one() -> None:
    """Neither before nor behind it."""
    text, _, own = NOTE.rpartition("\n\n")
    bad = f"{KEY.sign(ORIGIN, 'something else' + chr(10))}\n"
    for lines in (bad, bad + own, own + bad):
        assert signed_by(KEY.public, f"{text}\n\n{lines}") == "wrong"


def test_extension_lines_are_signed_too() -> None:
    """What is covered is all of the text."""
    text = NOTE.rpartition("\n\n")[0] + "\nan extension\n"
    signed = f"{text}\n{KEY.sign(ORIGIN, text)}\n"
    assert signed_by(KEY.public, signed) is True
    assert signed_by(KEY.public, signed.replace("an ext", "no ext")) == "wrong"
    assert signed_by(KEY.public, signed.replace("an extension\n", "")) == "wrong"


def test_the_number_of_signatures_is_bounded() -> None:
    """A hundred are read, one more is no note."""
    text, _, own = NOTE.rpartition("\n\n")
    assert signed_by(KEY.public, f"{text}\n\n{own * MAX_SIGNATURES}") is True
    assert signed_by(KEY.public, f"{text}\n\n{own * (MAX_SIGNATURES + 1)}") == "no note"


def test_no_single_bit_of_a_signed_note_may_change() -> None:
    """Whatever bit is flipped: no note, or wrong, or no signature by this key."""
    raw = NOTE.encode()
    public = PublicKey.parse(str(KEY.verifier_key(ORIGIN)))
    for position in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[position // 8] ^= 1 << position % 8
        try:
            text = changed.decode()
        except UnicodeDecodeError:
            continue
        assert signed_by(public, text) in (False, "wrong", "no note"), position


def test_no_note_may_be_cut() -> None:
    """At any character."""
    for length in range(len(NOTE)):
        assert signed_by(KEY.public, NOTE[:length]) in (False, "no note"), length


def test_the_log_s_own_word_for_its_key_is_that_of_the_shared_format() -> None:
    """Hash and text of a verifier key, computed here from the definition."""
    raw = KEY.public.public
    digest = hashlib.sha256(ORIGIN.encode() + b"\n\x01" + raw).hexdigest()[:8]
    text = f"{ORIGIN}+{digest}+{base64.b64encode(bytes([1]) + raw).decode()}"
    assert text == f"{ORIGIN}+89c2ba01+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
    assert str(KEY.verifier_key(ORIGIN)) == text


def test_a_signing_key_is_written_and_read() -> None:
    """PKCS#8 out, the same key in; what it shows of itself is public."""
    key = SigningKey.generate()
    again = SigningKey.from_pem(key.to_pem())
    assert again.public == key.public
    secret = signing_key().to_pem().decode().split("\n")[1]
    assert secret not in repr(KEY)
    assert SEED.hex() not in repr(KEY)


def test_other_private_keys_are_refused_in_plain_words() -> None:
    """Encrypted, of another kind, a public key, not a key at all; never with what they hold."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    locked = ed25519.Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
    )
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    for content, says in (
        (locked, "encrypted"),
        (curve, "another kind"),
        (KEY.public.to_pem().encode(), "no PEM of a private key"),
        (b"", "no PEM of a private key"),
        (pem("PRIVATE KEY", PKCS8_START + SEED[:-1]), "no PEM of a private key"),
    ):
        with pytest.raises(ConfigError, match=says) as caught:
            SigningKey.from_pem(content)
        body = content.split(b"\n")[1][:20].decode() if b"\n" in content else "none"
        assert body not in str(caught.value)


def test_other_public_keys_are_refused() -> None:
    """Of another kind, or nothing."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    spki = Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    for text in (
        curve.public_bytes(*spki).decode(),
        pem("PUBLIC KEY", bytes(44)).decode(),
        pem("CERTIFICATE", bytes(44)).decode(),
        KEY.public.to_pem().replace("PUBLIC KEY", "PRIVATE KEY"),
        "",
        "-----BEGIN PUBLIC KEY-----",
    ):
        with pytest.raises(FormatError):
            PublicKey.parse(text)


def test_our_pem_is_what_cryptography_reads() -> None:
    """And what it writes is what we read."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    loaded = load_pem_public_key(KEY.public.to_pem().encode())
    written = loaded.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert PublicKey.parse("a comment\n" + written.replace("\n", "\r\n")) == KEY.public


NEAR_NOTES = st.lists(
    st.sampled_from(
        ["\n", "\n\n", "\u2014 ", ORIGIN, " ", "3", "0", "+", "AAAA", "A===", "=", "\r", "\0", "\ud800"]
    )
    | st.text(max_size=5)
    | st.sampled_from(NOTE.split("\n")),
    max_size=20,
).map("".join)


@given(NEAR_NOTES)
def test_the_parsers_of_notes_raise_nothing_but_their_own_error(text: str) -> None:
    """Any text gives a note or FormatError, and what is parsed gives its text again."""
    for parse in (parse_note, split_note, Signature.parse):
        try:
            parsed: Any = parse(text)
        except FormatError:
            continue
        if isinstance(parsed, CheckpointNote):
            KEY.public.is_signed(parsed) if signed_by(KEY.public, text) != "wrong" else None
        elif isinstance(parsed, tuple):
            body, signatures = parsed
            tail = "".join(f"{one}\n" for one in signatures)
            assert text == (f"{body}\n{tail}" if tail else body)
        else:
            assert str(parsed) == text


@given(
    st.text(max_size=200)
    | st.builds(
        "{}+{}+{}".format, st.text(max_size=9), st.text("0123456789abcdef", max_size=9), st.text(max_size=9)
    )
    | st.binary(max_size=60).map(lambda der: pem("PUBLIC KEY", der).decode())
)
def test_the_parsers_of_keys_raise_nothing_but_their_own_error(text: str) -> None:
    """Any text gives a key or FormatError."""
    for parse in (VerifierKey.parse, PublicKey.parse):
        try:
            parse(text)
        except FormatError:
            pass


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda der: pem("PRIVATE KEY", der)))
def test_the_parser_of_signing_keys_raises_nothing_but_its_own_error(content: bytes) -> None:
    """Any bytes give a key or ConfigError."""
    try:
        SigningKey.from_pem(content)
    except ConfigError:
        pass
