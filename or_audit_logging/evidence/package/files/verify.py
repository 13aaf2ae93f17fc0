"""Checks an audit package with Python's standard library alone (3.9 or newer).

    python -I verify.py                      the folder that this file stands in, as it was unpacked
    python -I verify.py package.zip          the package as it is; nothing is unpacked

With -I, Python takes no module from that folder: else a json.py in it would run before anything is checked.

    --public-key FILE   the signer's public key, from somewhere else than this package (PEM or verifier key)
    --anchor FILE       a copy of a checkpoint of this log that was kept somewhere else; may be given again
    --key-file FILE     the log's secret, for those who hold it: checks the seals (HMAC) as well

What it does: every file's SHA-256; the form and the order of the lines; the Merkle tree (RFC 6962) that leads
from the lines to the checkpoint; the same for each line of the log's history; the checkpoint's signature
(Ed25519, by the package `cryptography` or else by the program openssl).

Exit codes: 0 verified, 1 tampered, 2 cannot verify, 3 intact, and nothing from outside vouches for it.
It opens no connection, runs nothing but openssl, and writes nothing but temporary files for that.
"""

from __future__ import annotations

import argparse
import base64
import bisect
import contextlib
import hashlib
import hmac
import json
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

FORMAT, VERSION = "or-audit package", 1
ALWAYS = {
    *("README.txt", "SHA256SUMS", "manifest.json", "verify.py", "lines.jsonl"),
    *("checkpoint.jsonl", "history.jsonl", "history_proofs.jsonl"),
}
SIGNED = {"checkpoint.txt", "public_key.pem", "verifier_key.txt"}
REPORTS = {"report.html", "report.json", "report.csv"}
MOST = 1 << 20  # no line is longer, and no small file larger
LARGE = 1 << 26  # range.json and the reports are no larger
LISTED = 100

LINE = re.compile(
    rb',"log":"([0-9a-f]{16})","seq":(0|[1-9][0-9]{0,18}),"kid":(0|[1-9][0-9]{0,9}),"mac":"([0-9a-f]{64})"\}'
)
STUB = re.compile(rb'\{"log":"([0-9a-f]{16})","seq":(0|[1-9][0-9]{0,18}),"leaf":"([0-9a-f]{64})" *\}')
MAC_TAIL = 74  # bytes of ,"mac":"..."}
CONTROL = b'{"event_type":"log.'
HISTORY = {
    *("log.genesis", "log.open", "log.policy", "log.hold", "log.release", "log.delete", "log.redact"),
    *("log.export", "log.rotate", "log.lost", "log.recover"),
}
SEGMENT = "segment day log_id origin format kcv vkey policy library"
ACT = "name policy from until renews actor reason"
MEMBERS = {  # of control lines, between "event_type v id timestamp" and "log seq kid mac"
    "log.genesis": f"{SEGMENT} pad",
    "log.open": f"{SEGMENT} prev_segment base_leaf frontier pad",
    "log.checkpoint": "size root frontier note",
    "log.start": "pid host library config",
    "log.stop": "pid",
    "log.recover": "segment after_seq length sha256",
    "log.lost": "count reason detail",
    "log.rotate": "next_kcv next_vkey",
    **dict.fromkeys(("log.policy", "log.hold", "log.release"), ACT),
    "log.delete": "base base_leaf root past actor reason",
    "log.redact": "target leaf actor reason",
    "log.export": "first last filter actor reason",
}
MANIFEST = (
    "format version library exported_at actor reason recorded log_id origin log_starts_at asked filter kind "
    "first last lines records redacted checkpoint files"
)
FIRST = ("log.genesis", "log.open")  # what a segment begins with
EXPORT = ("first", "last", "filter", "actor", "reason")
HEX = re.compile(r"[0-9a-f]{64}")
NOTE = re.compile(
    r"^([A-Za-z0-9._/-]{1,200})\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/]{43}=)(?:\n|\Z)"
    r"(?:\n(?:\u2014 \S+ \S+(?:\n|\Z))+)?",
    re.MULTILINE,
)
PEM = re.compile(r"-----BEGIN PUBLIC KEY-----\s([A-Za-z0-9+/=\s]*)-----END PUBLIC KEY-----")
ED25519_DER = bytes.fromhex("302a300506032b6570032100")  # what stands before an Ed25519 key (RFC 8410)


class WrongError(Exception):
    """Something is not as it has to be: a finding."""


class UncheckedError(Exception):
    """Something could not be checked."""


# The Merkle tree (RFC 6962, RFC 9162): 0x00 before a leaf, 0x01 before an inner node.


def leaf_hash(line: bytes) -> bytes:
    return hashlib.sha256(b"\0" + line).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


class Tree:
    """A tree that grows: its complete subtrees, the largest first."""

    def __init__(self, size: int, subtrees: list[bytes]) -> None:
        if size < 0 or len(subtrees) != bin(size).count("1"):
            raise WrongError("a tree has another number of complete subtrees than its size says")
        self.size, self.subtrees = size, list(subtrees)

    def append(self, leaf: bytes) -> None:
        size = self.size
        while size & 1:
            leaf, size = node_hash(self.subtrees.pop(), leaf), size >> 1
        self.subtrees.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        if not self.subtrees:
            return hashlib.sha256(b"").digest()
        root = self.subtrees[-1]
        for subtree in reversed(self.subtrees[:-1]):
            root = node_hash(subtree, root)
        return root


def root_by_path(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Return the root that *path* leads to from the leaf *index* of *size* (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        raise WrongError("a proof of a line that the checkpoint does not cover")
    number, last, root = index, size - 1, leaf
    for sibling in path:
        if not last:
            raise WrongError("an inclusion proof is too long")
        if number & 1 or number == last:
            root = node_hash(sibling, root)
            while number and not number & 1:
                number, last = number >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        number, last = number >> 1, last >> 1
    if last:
        raise WrongError("an inclusion proof is too short")
    return root


def root_beyond(tree: Tree, size: int, right: list[bytes]) -> bytes:
    """Return the root of *size* leaves: those of *tree*, and behind them subtrees, the smallest first."""
    subtrees, right = list(tree.subtrees), list(right)
    node, place, width = subtrees.pop(), tree.size - 1, 1
    while tree.size % (2 * width) == 0:
        place, width = place >> 1, 2 * width
    while width < size:
        if place & 1:
            node = node_hash(subtrees.pop(), node)
        elif (place + 1) * width < size:
            node = node_hash(node, right.pop(0))
        place, width = place >> 1, 2 * width
    if right:
        raise WrongError("more hashes stand behind the lines than the tree has")
    return node


# Lines.


class Line:
    """A sealed line, or the stub in the place of one that was redacted; no newline at its end."""

    def __init__(self, raw: bytes) -> None:
        found = LINE.search(raw, max(0, raw.rfind(b',"log":"')))
        stub = STUB.fullmatch(raw)
        self.raw, self.is_stub = raw, stub is not None
        if found and found.end() == len(raw) and raw[:1] == b"{" and all(0x20 <= c < 0x7F for c in set(raw)):
            self.log, self.seq, self.kid = found[1].decode(), int(found[2]), int(found[3])
            self.mac, self.leaf = bytes.fromhex(found[4].decode()), leaf_hash(raw)
        elif stub:
            self.log, self.seq = stub[1].decode(), int(stub[2])
            self.leaf = bytes.fromhex(stub[3].decode())
        else:
            raise WrongError("this is no sealed line")

    @property
    def is_control(self) -> bool:
        return self.raw.startswith(CONTROL)

    def members(self) -> dict[str, Any]:
        """Return what a control line states."""
        members = load(self.raw)
        own = MEMBERS.get(members["event_type"])
        if own is None or " ".join(members) != f"event_type v id timestamp {own} log seq kid mac":
            raise WrongError("this is no control line, or one that states other things than its kind does")
        return members


def load(text: bytes) -> dict[str, Any]:
    """Return the JSON object that *text* is."""

    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a name stands twice")
        return dict(pairs)

    def no_constants(name: str) -> Any:
        raise ValueError(f"{name} is no JSON number")

    try:
        value = json.loads(text, object_pairs_hook=no_duplicates, parse_constant=no_constants)
    except (ValueError, RecursionError):
        raise WrongError("this is not JSON") from None
    if not isinstance(value, dict):
        raise WrongError("this is no JSON object")
    return value


def hashes(value: object) -> list[bytes]:
    """Return the hashes in a list of 64 hex digits each."""
    if not isinstance(value, list) or not all(isinstance(one, str) and HEX.fullmatch(one) for one in value):
        raise WrongError("hashes are 64 lower-case hex digits each")
    return [bytes.fromhex(one) for one in value]


def one_hash(value: object) -> bytes:
    return hashes([value])[0]


def number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise WrongError("a number is missing, or is none")
    return value


def root_of(text: Any) -> bytes:
    root = base64.b64decode(text, validate=True)
    if len(root) != 32 or base64.b64encode(root).decode() != text:
        raise WrongError("a root is 32 bytes in base64")
    return root


# Signatures: a C2SP signed note (https://c2sp.org/signed-note).


class PublicKey:
    """An Ed25519 key; `name` is the log that a verifier key names, else None."""

    def __init__(self, text: str) -> None:
        block = PEM.search(text)
        self.name: str | None = None
        if block:
            der = base64.b64decode("".join(block[1].split()))
            self.raw = der[len(ED25519_DER) :] if der.startswith(ED25519_DER) else b""
        else:
            self.name, _, rest = text.strip().partition("+")
            key = base64.b64decode(rest.partition("+")[2])
            self.raw = key[1:] if key[:1] == b"\1" else b""
        if len(self.raw) != 32:
            raise ValueError("this is no Ed25519 public key")

    def hash(self, name: str) -> bytes:
        return hashlib.sha256(name.encode() + b"\n\1" + self.raw).digest()[:4]

    def pem(self) -> str:
        encoded = base64.b64encode(ED25519_DER + self.raw).decode()
        return f"-----BEGIN PUBLIC KEY-----\n{encoded}\n-----END PUBLIC KEY-----\n"

    def verifier_key(self, name: str) -> str:
        return f"{name}+{self.hash(name).hex()}+{base64.b64encode(bytes([1]) + self.raw).decode()}"

    def has_signed(self, note: str) -> bool:
        """Return whether *note* bears this key's signature; one that does not hold is wrong."""
        found = NOTE.match(note)
        text, separator, tail = note.rpartition("\n\n")
        if not found or not separator or self.name not in (None, found[1]):
            return False
        if tail.count("\n") > 100:  # each may take a run of openssl
            raise WrongError("the note bears more signatures than one has")
        signed = (text + "\n").encode()
        own = False
        for line in tail.splitlines():
            name, _, encoded = line[2:].partition(" ")
            value = base64.b64decode(encoded) if line.startswith("\u2014 ") else b""
            if name == found[1] and value[:4] == self.hash(name):
                own = True
                if not self.check(signed, value[4:]):
                    raise WrongError("the signature of the checkpoint does not hold")
        return own

    def check(self, signed: bytes, signature: bytes) -> bool:
        if len(signature) != 64:
            return False
        with contextlib.suppress(ImportError):
            from cryptography.exceptions import InvalidSignature
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

            try:
                Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, signed)
            except InvalidSignature:
                return False
            return True
        return self.check_by_openssl(signed, signature)

    def check_by_openssl(self, signed: bytes, signature: bytes) -> bool:
        program = shutil.which("openssl")
        if program is None:
            raise UncheckedError(
                "the signature was not checked: that takes the package cryptography, or openssl"
            )
        with tempfile.TemporaryDirectory() as folder:
            names = [os.path.join(folder, name) for name in ("key", "text", "signature")]
            for name, content in zip(names, (self.pem().encode(), signed, signature)):  # noqa: B905 - 3.9
                with open(name, "wb") as file:
                    file.write(content)
            command = [program, "pkeyutl", "-verify", "-pubin", "-inkey", names[0], "-rawin"]
            command += ["-in", names[1], "-sigfile", names[2]]
            done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode == 0:
            return True
        if b"Signature Verification Failure" in done.stdout + done.stderr:
            return False
        raise UncheckedError("the signature was not checked: this openssl cannot check Ed25519")


# The secret: HKDF (RFC 5869) and HMAC, both with SHA-256.


def hkdf(secret: bytes, salt: bytes, info: bytes) -> bytes:
    return hmac.new(hmac.new(salt, secret, "sha256").digest(), info + b"\1", "sha256").digest()


class Seals:
    """The keys of a log: which number (kid) each has is known by its check value."""

    def __init__(self, secrets: list[bytes], log_id: bytes, check_values: dict[int, Any]) -> None:
        self.keys: dict[int, bytes] = {}
        for secret in secrets:
            check = hkdf(secret, log_id, b"or-audit/v1/kcv")[:8].hex()
            for kid, value in check_values.items():
                if value == check:
                    self.keys[kid] = hkdf(secret, log_id, b"or-audit/v1/line")

    def check(self, line: Line, prev: bytes) -> bool:
        """Return whether the seal was checked; raises WrongError where it does not hold."""
        key = self.keys.get(line.kid)
        if key is None:
            return False
        text = b"or-audit/v1/line\0" + prev + line.raw[:-MAC_TAIL]
        if not hmac.compare_digest(hmac.new(key, text, "sha256").digest(), line.mac):
            raise WrongError("the seal (HMAC) of the line does not hold")
        return True


# The package, unpacked or not.


class Folder:
    def __init__(self, path: str) -> None:
        self.path = path
        self.names: list[str] = []
        self.strange: list[str] = []
        for entry in sorted(os.scandir(path), key=lambda one: one.name):
            if entry.is_file(follow_symlinks=False):
                self.names.append(entry.name)
            else:
                self.strange.append(f"{entry.name!a} is no file of a package")

    def open(self, name: str) -> BinaryIO:
        return open(os.path.join(self.path, name), "rb")


class Zip:
    def __init__(self, path: str) -> None:
        check_directory(path)
        self.zip = zipfile.ZipFile(path)
        self.entries: dict[str, zipfile.ZipInfo] = {}
        self.strange: list[str] = []
        for entry in self.zip.infolist():
            name = entry.filename
            if stat.S_ISLNK(entry.external_attr >> 16) or entry.flag_bits & 1 or name.endswith("/"):
                self.strange.append(f"{name!a} is a link, a folder or encrypted")
            elif entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                self.strange.append(f"{name!a} is compressed in an unusual way")
            elif name in self.entries:
                self.strange.append(f"{name!a} is there twice")
            else:
                self.entries[name] = entry
        self.names = sorted(self.entries)

    def open(self, name: str) -> BinaryIO:
        return self.zip.open(self.entries[name])  # type: ignore[return-value]


def check_directory(path: str) -> None:
    """Refuse a ZIP file with more in it than a package's files and their table of contents."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 66_000))
        tail = file.read()
        at = tail.rfind(b"PK\5\6")
        if at < 0 or len(tail) < at + 22:
            raise UncheckedError("the file is no ZIP file, or was cut short")
        end = size - len(tail) + at
        entries, length, start = struct.unpack("<HII", tail[at + 10 : at + 20])
        if at >= 76 and tail[at - 20 : at - 16] == b"PK\6\7":  # ZIP64
            entries, length, start = struct.unpack("<QQQ", tail[at - 44 : at - 20])
            end -= 76
        if entries > 100 or length > MOST:
            raise UncheckedError("the ZIP file has more in it than a package has")
        if len(tail) != at + 22 or start + length != end:
            raise UncheckedError(
                "something stands before, in or behind the ZIP file that is none of its files"
            )


def from_elsewhere(path: str) -> str:
    """Return *path*; refuse what came with a package, since that vouches for nothing."""
    folder = os.path.dirname(os.path.realpath(path))
    if all(os.path.exists(os.path.join(folder, name)) for name in ("manifest.json", "SHA256SUMS")):
        raise UncheckedError(f"{path} came with a package and vouches for nothing: give one from elsewhere")
    return path


class Outside:
    """What the auditor brought: public keys, copies of checkpoints, secrets."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.keys: list[PublicKey] = []
        self.anchors: list[tuple[str, int, bytes, str]] = []
        self.secrets: list[bytes] = []
        for path in options.public_key:
            with open(from_elsewhere(path), encoding="utf-8") as text:
                self.keys.append(PublicKey(text.read(MOST)))
        for path in options.anchor:
            with open(from_elsewhere(path), encoding="utf-8", errors="replace") as text:
                found = list(anchors_in(text.read(LARGE)))
            if not found:
                raise ValueError(f"{path} holds no checkpoint")
            self.anchors += found
        for path in options.key_file:
            with open(path, "rb") as file:
                secret = file.read(MOST)
            self.secrets.append(secret[:-1] if secret.endswith(b"\n") else secret)


def anchors_in(text: str) -> Iterator[tuple[str, int, bytes, str]]:
    """Yield log, size, root and note of each checkpoint in *text*: notes, sealed lines, JSON with either."""
    for found in NOTE.finditer(text):
        with contextlib.suppress(WrongError, ValueError):
            yield found[1], int(found[2]), root_of(found[3]), found[0]
    pending: list[Any] = []
    with contextlib.suppress(ValueError, RecursionError):
        pending.append(json.loads(text))
    for line in text.splitlines() if not pending else ():
        with contextlib.suppress(ValueError, RecursionError):
            pending.append(json.JSONDecoder().raw_decode(line, line.index("{"))[0])
    while pending:
        value = pending.pop()
        if isinstance(value, dict) and value.get("event_type") == "log.checkpoint":
            with contextlib.suppress(WrongError, KeyError, TypeError, ValueError):
                log, size, note = str(value["log"]), number(value["size"]), value["note"] or ""
                root, stated = root_of(value["root"]), NOTE.match(note)
                heads = [(stated[1].rpartition("/")[2], *stated.groups()[1:])] if stated else []
                if value["seq"] == size and (not note or heads == [(log, str(size), value["root"])]):
                    yield log, size, root, note
        elif isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, list):
            pending += value
        elif isinstance(value, str):
            yield from anchors_in(value)


# The checks.


class Verification:
    """The checks, one after the other, and what they found."""

    def __init__(self, package: Folder | Zip, outside: Outside) -> None:
        self.package, self.outside = package, outside
        self.findings: list[str] = []
        self.reasons: list[str] = []
        self.notes: list[str] = []
        self.where = ""
        self.manifest: dict[str, Any] = {}
        self.anchored_to: int | None = None
        self.anchored_size = 0
        self.key: PublicKey | None = None
        self.is_signed = self.is_signed_by_given = self.is_sealed = self.is_root_sealed = False

    def run(self) -> int:
        """Check everything; return the exit code."""
        checks = (self.check_files, self.check_checkpoint, self.check_history, self.check_outside)
        if all(self.attempt(check) for check in (*checks, self.check_lines)):
            self.judge()
        if self.findings:
            return 1
        if self.reasons:
            return 2
        return 0 if self.anchored_to is not None or self.is_signed_by_given else 3

    def attempt(self, check: Callable[[], None]) -> bool:
        """Run a check: what is wrong becomes a finding. Return whether the next one can be run."""
        try:
            check()
        except WrongError as wrong:
            self.find(str(wrong))
        except UncheckedError as cannot:
            self.reasons.append(str(cannot))
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError):
            self.find("the file is damaged and cannot be read")
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            self.find("a value is missing, or is of another kind than it has to be")
        else:
            return True
        return False

    def find(self, message: str) -> None:
        self.findings.append(f"{self.where}: {message}" if self.where else message)

    def judge(self) -> None:
        """Say what could not be checked."""
        vouched = self.is_signed_by_given or self.anchored_to == self.manifest["last"]
        if self.outside.keys and not self.is_signed_by_given:
            self.reasons.append("the checkpoint is not signed by the public key given")
        if self.outside.secrets and not self.seals.keys:
            self.reasons.append("the key given is not that of this log")
        elif self.outside.secrets and not self.is_sealed and not vouched:
            self.reasons.append("some seals were not checked: their key was not given")
        is_root_vouched = self.is_signed_by_given or self.is_root_sealed
        if self.anchored_to is not None and not is_root_vouched and self.relied_on >= self.anchored_size:
            said = "the log.delete or log.redact that lets lines be missing is behind the anchor"
            self.reasons.append(said)
        if not self.is_sealed and not self.is_signed and self.anchored_to is None:
            self.reasons.append("neither a key, nor a public key, nor an anchor of these lines was given")

    def read(self, name: str, most: int = MOST) -> bytes:
        self.where = name
        if name not in self.package.names:
            raise WrongError("the file is missing")
        with self.package.open(name) as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise WrongError("the file is larger than it can be")
        return content

    def lines(self, name: str) -> Iterator[bytes]:
        """Yield the lines of a file, without their newlines."""
        self.where = name
        if name not in self.package.names:
            raise WrongError("the file is missing")
        with self.package.open(name) as file:
            for count, raw in enumerate(iter(lambda: file.readline(MOST), b""), 1):
                self.where = f"{name}:{count}"
                if not raw.endswith(b"\n"):
                    raise WrongError("the line is too long, or has no end")
                yield raw[:-1]

    # Files: each is there, is what the manifest says, and nothing else is there.

    def check_files(self) -> None:
        for said in self.package.strange:
            self.find(said)
        text = self.read("manifest.json")
        manifest = load(text)
        stated = manifest["files"]
        sums = {"manifest.json": hashlib.sha256(text).hexdigest()}
        for name in sorted({*self.package.names, *stated} - {"manifest.json", "SHA256SUMS"}):
            self.where = ascii(name)[1:-1]
            if name not in stated:
                self.find("the file is not part of the package")
            elif name not in self.package.names:
                self.find("the file is missing")
            else:
                sums[name] = self.check_sum(name, number(stated[name]["size"]), stated[name]["sha256"])
        listed = "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))
        if self.read("SHA256SUMS") != listed.encode():
            self.find("it states other sums than the files have")
        self.where = "manifest.json"
        if manifest["format"] != FORMAT:
            raise WrongError("this is the manifest of something else")
        if number(manifest["version"]) != VERSION:
            raise UncheckedError("the package is of another version than this program knows")
        if " ".join(manifest) != MANIFEST or " ".join(manifest["checkpoint"]) != "size root prev signed_by":
            raise WrongError("it states other things than a manifest does")
        beside = {"range": "range.json", "selection": "proofs.jsonl"}[manifest["kind"]]
        signed = SIGNED if manifest["checkpoint"]["signed_by"] is not None else set()
        if set(stated) - REPORTS != (ALWAYS | signed | {beside}) - {"manifest.json", "SHA256SUMS"}:
            raise WrongError("it lists other files than a package has")
        asked = json.dumps(manifest["asked"], sort_keys=True, separators=(",", ":"))
        if hashlib.sha256(asked.encode()).hexdigest() != manifest["filter"]:
            raise WrongError("it states another filter than what was asked for")
        self.manifest = manifest

    def check_sum(self, name: str, stated: int, sha256: str) -> str:
        size, digest = 0, hashlib.sha256()
        with self.package.open(name) as file:
            while size <= stated and (block := file.read(1 << 18)):
                size += len(block)
                digest.update(block)
        if (size, digest.hexdigest()) != (stated, sha256):
            self.find("the file is not the one that was handed over")
        return digest.hexdigest()

    # The checkpoint: the root of the tree over the log's first `size` lines, signed or not.

    def check_checkpoint(self) -> None:
        manifest, stated = self.manifest, self.manifest["checkpoint"]
        self.log_id, self.log = bytes.fromhex(manifest["log_id"]), manifest["log_id"][:16]
        if not re.fullmatch("[0-9a-f]{32}", manifest["log_id"]):
            raise WrongError("the manifest names no log")
        found = list(self.lines("checkpoint.jsonl"))
        line = self.checkpoint = Line(found[0])
        members = line.members()
        tree = Tree(number(members["size"]), hashes(members["frontier"]))
        self.size, self.root = tree.size, tree.root()
        self.made_at = members["timestamp"]
        if len(found) > 1 or members["event_type"] != "log.checkpoint":
            raise WrongError("this is no checkpoint")
        if (line.log, line.seq, root_of(members["root"])) != (self.log, tree.size, tree.root()):
            raise WrongError("the checkpoint contradicts itself, or is of another log")
        if (number(stated["size"]), stated["root"]) != (members["size"], members["root"]):
            raise WrongError("the manifest states another checkpoint")
        if stated["signed_by"] is not None:
            self.check_note(members["note"], stated["signed_by"])

    def check_note(self, note: str, signed_by: str) -> None:
        self.note = self.read("checkpoint.txt").decode()
        found = NOTE.match(self.note)
        root = base64.b64encode(self.root).decode()
        if found is None or self.note != note:
            raise WrongError("it is not the note in checkpoint.jsonl")
        if found.groups()[:3] != (self.manifest["origin"], str(self.size), root):
            raise WrongError("the note is of another checkpoint")
        key = self.key = PublicKey(signed_by)
        if key.verifier_key(found[1]) != signed_by:
            raise WrongError("the manifest names the key of another log")
        for name, text in (("verifier_key.txt", signed_by + "\n"), ("public_key.pem", key.pem())):
            if self.read(name) != text.encode():
                raise WrongError("the file holds another key than the manifest names")
        self.where = "checkpoint.txt"
        try:
            self.is_signed = key.has_signed(self.note)
        except UncheckedError as cannot:
            self.reasons.append(str(cannot))
            return
        if not self.is_signed:
            raise WrongError("it bears no signature of the key that the manifest names")

    # The history: what the log says of how it is kept, each line with its proof.

    def proven(self, name: str, proofs: str) -> Iterator[Line]:
        """Yield the lines of a file, each of which the checkpoint is proven to cover."""
        lines, paths, last = self.lines(name), self.lines(proofs), -1
        while True:
            path, raw = next(paths, None), next(lines, None)
            if path is None or raw is None:
                if path is not raw:
                    raise WrongError("there are not as many proofs as lines")
                return
            line, proof = Line(raw), load(path)
            if line.log != self.log or line.is_stub or not last < line.seq == number(proof["seq"]):
                raise WrongError("the line is of another log, or not in its order, or its proof is another's")
            if root_by_path(line.leaf, line.seq, self.size, hashes(proof["path"])) != self.root:
                raise WrongError("the line does not lead to the checkpoint's root")
            last = line.seq
            yield line

    def check_history(self) -> None:
        manifest = self.manifest
        self.base, starts_at = 0, number(manifest["log_starts_at"])
        self.vkey: Any = None
        self.export: list[Any] | None = None
        self.redactions: dict[tuple[int, str], int] = {}  # target and leaf: the seq of the first log.redact
        self.relied_on = -1  # the last seq of a log.delete or log.redact without which lines would be missing
        self.rotations: list[tuple[int, int]] = []  # from which line on which key number (kid) is in force
        self.check_values: dict[int, Any] = {}
        for line in self.proven("history.jsonl", "history_proofs.jsonl"):
            members = line.members()
            event = members["event_type"]
            if event not in HISTORY or (event in FIRST) == bool(self.rotations):
                raise WrongError("the line does not belong here in a log's history")
            if event in FIRST:
                stated = (line.seq, members["log_id"], members["origin"])
                if stated != (starts_at, manifest["log_id"], manifest["origin"]):
                    raise WrongError("it is not the first line of the log that the manifest names")
            self.take_history(line, event, members)
        self.where = "history.jsonl"
        if not self.rotations:
            raise WrongError("there is no history")
        if self.rotations[0][0] > self.base:
            raise WrongError("the log's first lines are missing, and no log.delete says why")
        if manifest["checkpoint"]["signed_by"] not in (None, self.vkey):
            raise WrongError("the log names another signing key than the manifest")
        if manifest["recorded"] is None:
            self.notes.append("that this package was made is not recorded in the log")
        elif number(manifest["recorded"]) >= self.size:
            self.notes.append("the checkpoint does not cover the record of this export in the log")
        elif self.export != [manifest[name] for name in EXPORT]:
            raise WrongError("the log's own record of this export is missing, or says something else")

    def take_history(self, line: Line, event: str, members: dict[str, Any]) -> None:
        if event in FIRST:
            self.rotations, self.check_values = [(line.seq, line.kid)], {line.kid: members["kcv"]}
            self.vkey = members["vkey"]
        elif event == "log.rotate":
            self.rotations.append((line.seq + 1, line.kid + 1))
            self.check_values[line.kid + 1] = members["next_kcv"] or self.check_values[line.kid]
            self.vkey = members["next_vkey"] or self.vkey
        elif event == "log.delete":
            if self.base < self.rotations[0][0] <= number(members["base"]):
                self.relied_on = line.seq
            self.base = max(self.base, number(members["base"]))
        elif event == "log.redact":
            self.redactions.setdefault((number(members["target"]), members["leaf"]), line.seq)
        elif event == "log.export" and line.seq == self.manifest["recorded"]:
            self.export = [members[name] for name in EXPORT]

    # What comes from outside: public keys, anchors, secrets.

    def check_outside(self) -> None:
        self.where = ""
        self.anchors: dict[int, set[bytes]] = {}
        self.met: set[int] = set()
        keys = self.outside.keys
        self.is_signed_by_given = self.is_signed and any(key.has_signed(self.note) for key in keys)
        for log, size, root, note in self.outside.anchors:
            if log.rpartition("/")[2] != self.log or (keys and not is_signed_by(keys, note)):
                self.notes.append("an anchor is of another log, or not signed by the public key given")
            else:
                self.anchors.setdefault(size, set()).add(root)
        self.meet(self.size, self.root)
        self.seals = Seals(self.outside.secrets, self.log_id, self.check_values)
        self.where = "checkpoint.jsonl"
        prev = one_hash(self.manifest["checkpoint"]["prev"])
        self.is_sealed = self.is_root_sealed = self.seals.check(self.checkpoint, prev)

    def meet(self, size: int, root: bytes) -> None:
        """Hold the anchors of the first *size* lines against the tree."""
        for anchor in self.anchors.get(size, ()):
            self.met.add(size)
            self.anchored_size = max(self.anchored_size, size)
            if anchor != root:
                raise WrongError(f"an anchor of {size} lines states another tree than these lines give")
            if size > self.manifest["first"]:
                self.anchored_to = max(self.anchored_to or 0, min(size - 1, self.manifest["last"]))

    # The lines.

    def check_lines(self) -> None:
        records = redacted = count = last = 0
        is_range = self.manifest["kind"] == "range"
        for line in self.all_in_range() if is_range else self.proven("lines.jsonl", "proofs.jsonl"):
            if line.is_stub:
                said = self.redactions.get((line.seq, line.leaf.hex()))
                if said is None:
                    raise WrongError("the line was taken out, and no log.redact in the history says why")
                self.relied_on = max(self.relied_on, said)
            elif self.kid_at(line.seq) != line.kid:
                raise WrongError("the line names another key than the one in force")
            if count == 0 and line.seq != self.manifest["first"]:
                raise WrongError("the manifest names another first line")
            count, last = count + 1, line.seq
            records, redacted = records + (not line.is_control), redacted + line.is_stub
        stated = [number(self.manifest[name]) for name in ("lines", "records", "redacted", "last")]
        self.where = "lines.jsonl"
        if not count or stated != [count, records, redacted, last]:
            raise WrongError("the manifest states other numbers of lines")
        for size in sorted(set(self.anchors) - self.met):
            self.notes.append(f"an anchor of {size} lines cannot be held against this package")

    def kid_at(self, seq: int) -> int | None:
        """Return the number of the key in force for a line; None before the log's first line."""
        at = bisect.bisect(self.rotations, (seq, 1 << 64)) - 1
        return self.rotations[at][1] if at >= 0 else None

    def all_in_range(self) -> Iterator[Line]:
        """Yield all lines from `first` to `last`: they, and hashes beside them, give the root."""
        beside = load(self.read("range.json", LARGE))
        first, prev = number(self.manifest["first"]), one_hash(beside["prev"])
        tree = Tree(first, hashes(beside["frontier"]))
        start = b"or-audit/v1/genesis\0" + self.manifest["origin"].encode() + b"\0" + self.log_id
        if (first == 0 and prev != hashlib.sha256(start).digest()) or (
            first & 1 and prev != tree.subtrees[-1]
        ):
            raise WrongError("it states another line before the first one than there was")
        self.meet(first, tree.root())
        for raw in self.lines("lines.jsonl"):
            line = Line(raw)
            if (line.log, line.seq) != (self.log, tree.size):
                raise WrongError(f"seq {line.seq} of log {line.log} stands where seq {tree.size} is due")
            if line.is_control:
                check_stated_tree(line.members(), tree, prev)
            if not line.is_stub:
                self.is_sealed = self.seals.check(line, prev) and self.is_sealed
            yield line
            tree.append(line.leaf)
            prev = line.leaf
            if tree.size in self.anchors:
                self.meet(tree.size, tree.root())
        self.where = "range.json"
        for leaf in hashes(beside["tail"]):
            tree.append(leaf)
            if tree.size in self.anchors:
                self.meet(tree.size, tree.root())
        if tree.size > self.size or root_beyond(tree, self.size, hashes(beside["right"])) != self.root:
            raise WrongError("the lines do not lead to the checkpoint's root")


def is_signed_by(keys: list[PublicKey], note: str) -> bool:
    with contextlib.suppress(WrongError, ValueError):
        return any(key.has_signed(note) for key in keys)
    return False


def check_stated_tree(members: dict[str, Any], tree: Tree, prev: bytes) -> None:
    """Hold what a checkpoint, or a segment's first line, says of the lines before it against them."""
    frontier: list[str] | None = [subtree.hex() for subtree in tree.subtrees]
    if members["event_type"] == "log.checkpoint":
        if (members["size"], members["frontier"]) != (tree.size, frontier):
            raise WrongError("the lines before this checkpoint are not those that stood there")
    elif members["event_type"] == "log.open":
        if members["frontier"] is None:  # its writer had met lines that do not chain, and said so
            frontier = None
        if (members["base_leaf"], members["frontier"]) != (prev.hex(), frontier):
            raise WrongError("the lines before this segment are not those that stood there")


# What is said.


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, add_help=True
    )
    here = os.path.dirname(os.path.abspath(__file__))
    parser.add_argument(
        "package", nargs="?", default=here, help="the package, or the folder it was unpacked to"
    )
    for name in ("--public-key", "--anchor", "--key-file"):
        parser.add_argument(name, metavar="FILE", action="append", default=[])
    options = parser.parse_args()
    try:
        outside = Outside(options)
        package = Folder(options.package) if os.path.isdir(options.package) else Zip(options.package)
    except (UncheckedError, OSError, ValueError, zipfile.BadZipFile, struct.error, RuntimeError) as error:
        print(f"CANNOT VERIFY\n  {error}")
        return 2
    verification = Verification(package, outside)
    code = verification.run()
    print(("VERIFIED", "TAMPERED", "CANNOT VERIFY", "INTACT, BUT UNANCHORED")[code])
    for line in (*said_of(verification, code), *(f"note: {note}" for note in verification.notes)):
        print(f"  {ascii(line)[1:-1]}")
    return code


def said_of(verification: Verification, code: int) -> Iterator[str]:
    """Yield what was found, in words."""
    yield from (f"finding: {finding}" for finding in verification.findings[:LISTED])
    yield from (f"not checked: {reason}" for reason in verification.reasons)
    manifest = verification.manifest
    if code in (0, 3):
        yield f"{manifest['lines']} lines of the log {manifest['origin']}"
        yield f"seq {manifest['first']} to {manifest['last']}, by a checkpoint over {verification.size} lines"
        yield f"made at {verification.made_at} by the log's own clock"
        if manifest["kind"] == "range":
            yield "a range: none is missing in between; whether more stands before or behind is not proven"
        else:
            yield "a selection: each line is proven by itself; that none is left out is not proven"
        yield "not proven: that the history is complete; what README and reports say beyond the lines"
    if verification.is_sealed and code in (0, 3):
        what = "all lines" if manifest["kind"] == "range" else "the checkpoint"
        yield f"the seals (HMAC) of {what} hold under the key given"
    if verification.is_signed_by_given:
        yield "the checkpoint is signed by the public key given"
    elif verification.is_signed and verification.key is not None:
        digest = hashlib.sha256(verification.key.raw).hexdigest()
        yield "the checkpoint is signed by the key in this package, which vouches for nothing by itself:"
        yield f"compare its fingerprint with one from elsewhere: SHA-256 {digest}"
    if verification.anchored_to is not None and code != 1:
        yield f"an anchor kept elsewhere covers these lines up to seq {verification.anchored_to}"
        is_vouched = verification.is_signed_by_given or verification.is_sealed
        if verification.anchored_to < manifest["last"] and not is_vouched:
            yield "nothing from outside vouches for the lines after it, nor for the history after it"
    elif code == 3:
        yield "nothing from outside this package vouches for it: give --public-key or --anchor"


if __name__ == "__main__":
    sys.exit(main())
