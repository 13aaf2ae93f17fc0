"""What may be done to the lines of one segment at some place, by name; none of it takes the secret.

lines = path.read_bytes().splitlines(keepends=True)
LINE_ATTACKS["line edited"](lines, 3)                    found wherever an anchor covers the line at 3
"""

from __future__ import annotations

import json
from collections.abc import Callable

from or_audit_logging.sealing.chain import leaf_hash

Lines = list[bytes]


def edit(lines: Lines, at: int) -> None:
    """Change the first letter of a value."""
    event = lines[at].index(b'"timestamp":"') + 13
    lines[at] = lines[at][:event] + b"1" + lines[at][event + 1 :]


def insert(lines: Lines, at: int) -> None:
    """Put in a record that looks like one, under a seal made without the key."""
    lines.insert(at, lines[at][:-67] + b"0" * 64 + b'"}\n')


def delete(lines: Lines, at: int) -> None:
    del lines[at]


def swap(lines: Lines, at: int) -> None:
    """Exchange the line with its neighbour."""
    other = at - 1 if at else 1
    lines[at], lines[other] = lines[other], lines[at]


def repeat(lines: Lines, at: int) -> None:
    lines.insert(at, lines[at])


def change_kid(lines: Lines, at: int) -> None:
    lines[at] = lines[at].replace(b',"kid":', b',"kid":1')


def strip_seal(lines: Lines, at: int) -> None:
    """Leave the record without what makes it a line of the log."""
    lines[at] = lines[at][: lines[at].rindex(b',"log":')] + b"}\n"


def exchange_seal(lines: Lines, at: int) -> None:
    """Take the seal of another line."""
    other = at - 1 if at else 1
    lines[at] = lines[at][:-75] + lines[other][-75:]


def add_unsealed(lines: Lines, at: int) -> None:
    lines.insert(at, b'{"event_type":"chat_completion","v":1,"status":"success"}\n')


def repeat_member(lines: Lines, at: int) -> None:
    lines[at] = lines[at].replace(b'"v":1', b'"v":1,"v":1', 1)


def escape(lines: Lines, at: int) -> None:
    lines[at] = lines[at].replace(b'"event_type"', b'"\\u0065vent_type"', 1)


def unescape(lines: Lines, at: int) -> None:
    """Put letters beyond ASCII into a line as they are."""
    lines[at] = lines[at].replace(b'"v":1', b'"v":1,"w":"\xc3\xa9"', 1)


def rewrite_number(lines: Lines, at: int) -> None:
    lines[at] = lines[at].replace(b'"v":1', b'"v":1.0', 1)


def reorder_members(lines: Lines, at: int) -> None:
    members = json.loads(lines[at])
    first = members.pop("v")
    lines[at] = json.dumps({"v": first} | members, separators=(",", ":")).encode() + b"\n"


def space(lines: Lines, at: int) -> None:
    lines[at] = lines[at].replace(b'"v":1', b'"v": 1', 1)


def space_behind(lines: Lines, at: int) -> None:
    lines[at] = lines[at].replace(b"\n", b" \n")


def crlf(lines: Lines, at: int) -> None:
    lines[at] = lines[at].replace(b"\n", b"\r\n")


def all_crlf(lines: Lines, at: int) -> None:
    lines[:] = [line.replace(b"\n", b"\r\n") for line in lines]


def byte_order_mark(lines: Lines, at: int) -> None:
    lines[0] = b"\xef\xbb\xbf" + lines[0]


def blank(lines: Lines, at: int) -> None:
    lines.insert(at, b"\n")


def garbage(lines: Lines, at: int) -> None:
    lines.insert(at, bytes(range(256)).replace(b"\n", b"") + b"\n")


def upper_case(lines: Lines, at: int) -> None:
    lines[at] = lines[at][:-67] + lines[at][-67:].upper()


def join(lines: Lines, at: int) -> None:
    """Take away a newline, so that two lines are one."""
    other = at - 1 if at else 1
    first, second = sorted((at, other))
    lines[first : second + 1] = [lines[first][:-1] + lines[second]]


def overwrite(lines: Lines, at: int) -> None:
    """Leave zeros, as many as there were bytes, where a line was."""
    lines[at] = bytes(len(lines[at]) - 1) + b"\n"


def stub(lines: Lines, at: int) -> None:
    """Leave a stub, as a redaction does, and no certificate."""
    line = lines[at][:-1]
    seq, log = json.loads(line)["seq"], json.loads(line)["log"]
    text = f'{{"log":"{log}","seq":{seq},"leaf":"{leaf_hash(line).hex()}"'.encode()
    lines[at] = text.ljust(len(line) - 1) + b"}\n"


LINE_ATTACKS: dict[str, Callable[[Lines, int], None]] = {
    "line edited": edit,
    "line inserted": insert,
    "line deleted": delete,
    "lines swapped": swap,
    "line repeated": repeat,
    "two lines joined": join,
    "line overwritten with zeros": overwrite,
    "key number changed": change_kid,
    "seal removed": strip_seal,
    "seal of another line": exchange_seal,
    "unsealed line added": add_unsealed,
    "member repeated": repeat_member,
    "letter written as an escape": escape,
    "bytes beyond ASCII": unescape,
    "number written otherwise": rewrite_number,
    "members reordered": reorder_members,
    "space added": space,
    "space added behind a line": space_behind,
    "one line ended by CRLF": crlf,
    "all lines ended by CRLF": all_crlf,
    "byte order mark added": byte_order_mark,
    "blank line added": blank,
    "garbage line added": garbage,
    "seal in upper case": upper_case,
    "redacted without certificate": stub,
}
