"""What is wrong with a piece of a segment that has not the shape of a sealed line, in words."""

from __future__ import annotations

from or_audit_logging.sealing.line import MAX_LINE_BYTES, STUB_START

PRINTABLE = bytes(range(0x20, 0x7F))
"""The bytes that a line is made of."""

TOO_LONG = ("shape", f"a line of more than {MAX_LINE_BYTES:,} bytes")
CUT = ("torn", "a line that was cut, and no log.recover speaks of it")

_BOM = b"\xef\xbb\xbf"


def shape_trouble(raw: bytes) -> tuple[str, str]:
    """Return kind and message for *raw*, a piece that `parse_line` refused; its content is not quoted."""
    line = raw.removesuffix(b"\n")
    if not line:
        return "shape", "an empty line"
    if line.startswith(_BOM):
        return "shape", "the line starts with a byte order mark"
    if line.endswith(b"\r"):
        return "shape", "the line ends in a carriage return"
    if line.translate(None, PRINTABLE):
        return "shape", "the line holds bytes other than printable ASCII"
    if not line.endswith(b"}"):
        return CUT
    if line.startswith(STUB_START):
        return "stub", "a stub that does not stand in the place of the line it speaks of"
    return "shape", "the line is not sealed: it does not end in log, seq, kid and mac"
