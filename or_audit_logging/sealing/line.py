"""The shape of a sealed line: a JSON object that ends in log, seq, kid and mac, in that order (FORMAT 2).

    {"event_type":"chat_completion",...,"log":"0001020304050607","seq":1,"kid":0,"mac":"0014af...e2"}

The last 74 bytes are always `,"mac":"<64 hex>"}`, so a MAC is checked on raw bytes and no JSON is ever
written again to verify it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from or_audit_logging.errors import FormatError
from or_audit_logging.record import CONTROL_PREFIX
from or_audit_logging.sealing.chain import leaf_hash

SEALED_NAMES = frozenset({"log", "seq", "kid", "mac"})
MAC_TAIL = 74
"""Bytes from `,"mac":` to the closing brace."""
SUFFIX_MAX = len(',"log":"","seq":,"kid":') + 16 + 19 + 10 + MAC_TAIL
"""The longest that sealing makes an object's closing brace."""
MAX_LINE_BYTES = 1 << 20
"""No line is longer, newline included."""

STUB_START = b'{"log":"'

EVENT_START = b'{"event_type":"'
"""The first bytes of every line but stubs."""
CONTROL_START = EVENT_START + CONTROL_PREFIX.encode()
"""The first bytes of the lines that the log itself wrote."""


def line_start(event_type: str) -> bytes:
    """Return the first bytes of every line of *event_type*; nothing else starts with them."""
    return EVENT_START + event_type.encode("ascii") + b'",'


FIRST_LINE_STARTS = (line_start("log.genesis"), line_start("log.open"))
"""How the first line of each segment starts."""

_SUFFIX_START = b',"log":"'
_SUFFIX = re.compile(
    rb',"log":"([0-9a-f]{16})","seq":(0|[1-9][0-9]{0,18}),"kid":(0|[1-9][0-9]{0,9}),"mac":"([0-9a-f]{64})"\}'
)
STUB = re.compile(rb'\{"log":"([0-9a-f]{16})","seq":(0|[1-9][0-9]{0,18}),"leaf":"([0-9a-f]{64})" *\}')
_PRINTABLE = bytes(range(0x20, 0x7F))


@dataclass(frozen=True, slots=True)
class SealedLine:
    """A line taken apart. `raw` is the whole line without its newline."""

    raw: bytes
    log: str
    seq: int
    kid: int
    mac: bytes

    @property
    def sealed_part(self) -> bytes:
        """The bytes that the MAC covers, after the hash of the line before."""
        return self.raw[:-MAC_TAIL]

    @property
    def is_control(self) -> bool:
        """Whether the log itself wrote this line (genesis, open, checkpoint, ...)."""
        return self.raw.startswith(CONTROL_START)


def parse_line(raw: bytes) -> SealedLine:
    """Return *raw* (no newline) taken apart; raises `FormatError` where it has another shape.

    The MAC is not checked, and nothing before the suffix is parsed.
    """
    at = raw.rfind(_SUFFIX_START)
    match = _SUFFIX.fullmatch(raw, at) if at > 1 and raw.startswith(b"{") else None
    if match is None or raw.translate(None, _PRINTABLE):
        raise FormatError("not a sealed line: it does not end in log, seq, kid and mac")
    log, seq, kid, mac = match.groups()
    return SealedLine(raw, log.decode(), int(seq), int(kid), bytes.fromhex(mac.decode()))


@dataclass(frozen=True, slots=True)
class Stub:
    """What stands in the place of a redacted line; `leaf` is the leaf hash of the line that was there.

    `raw` is the whole stub without its newline, as long as that line.
    """

    raw: bytes
    log: str
    seq: int
    leaf: bytes


def parse_stub(raw: bytes) -> Stub:
    """Return *raw* (no newline) taken apart; raises `FormatError` where it is no stub.

    Nothing in it vouches for its leaf: the MAC of the next line and the tree do.
    """
    match = STUB.fullmatch(raw)
    if match is None:
        raise FormatError("not the stub of a redacted line")
    log, seq, leaf = match.groups()
    return Stub(raw, log.decode(), int(seq), bytes.fromhex(leaf.decode()))


def stub_of(line: SealedLine) -> bytes:
    """Return the stub that takes the place of *line*: the same length, no newline."""
    start = f'{{"log":"{line.log}","seq":{line.seq},"leaf":"{leaf_hash(line.raw).hex()}"'
    return start.encode("ascii").ljust(len(line.raw) - 1) + b"}"


def open_suffix(body: bytes, *, log: str, seq: int, kid: int) -> bytes:
    """Return the JSON object *body* with its brace replaced by log, seq and kid: what the MAC covers."""
    return body[:-1] + f',"log":"{log}","seq":{seq},"kid":{kid}'.encode("ascii")


def close_suffix(sealed_part: bytes, mac: bytes) -> bytes:
    """Return the finished line, without its newline."""
    return sealed_part + f',"mac":"{mac.hex()}"}}'.encode("ascii")


def user_members(members: Mapping[str, object]) -> Mapping[str, object]:
    """Return *members* with the names that a seal needs freed: `log` becomes `x_log`, and so on.

    An event type that starts with "log." would pass for a line of the log itself and gets the same `x_`.
    """
    event = members.get("event_type")
    forged = isinstance(event, str) and event.startswith(CONTROL_PREFIX)
    if not forged and SEALED_NAMES.isdisjoint(members):
        return members
    taken = set(members)
    out: dict[str, object] = {}
    for key, value in members.items():
        name = key
        if key in SEALED_NAMES:
            while name in taken or name in SEALED_NAMES:
                name = "x_" + name
            taken.add(name)
        out[name] = f"x_{value}" if forged and key == "event_type" else value
    return out
