"""Logs with every oddity that a reader may meet, written without the writer: their seals are not right."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

LOG = "0001020304050607"
HOSTILE = (
    "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    "a\u0000b",
    "\ud83d",
    "null",
    "123",
    "1e5",
    "true",
    "{}",
    "'; DROP TABLE audit_line; --",
    "\u202eevil",
    "caf\u00e9",
    "",
    " ",
)


def line(seq: int, **members: Any) -> bytes:
    """Return a line of a sealed line's shape; *members* that are `Raw` stand in it as they are."""
    defaults = {"event_type": "chat_completion", "v": 1, "id": f"id-{seq}", "status": "success"}
    parts = [
        f"{json.dumps(name)}:{value if isinstance(value, Raw) else json.dumps(value)}"
        for name, value in (defaults | members).items()
    ]
    parts.append(f'"log":"{LOG}","seq":{seq},"kid":0,"mac":"{"0" * 64}"')
    return ("{" + ",".join(parts) + "}").encode("ascii")


class Raw(str):
    """JSON as it is to stand in a line."""

    __slots__ = ()


def write_segment(folder: Path, day: str, lines: Iterable[bytes], *, archived: bool = False) -> Path:
    """Write a segment and return its path."""
    body = b"".join(one + b"\n" for one in lines)
    name = f"audit_{day}.jsonl"
    path = folder / "archive" / f"{name}.gz" if archived else folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(body, mtime=0) if archived else body)
    return path


def odd_log(folder: Path, seed: int, *, per_day: int = 40, strangeness: float = 0.01) -> None:
    """Write a log of seven days, 2026-11-16 to 2026-11-22, with oddities that *seed* chooses.

    *strangeness*: how many calls have a member of a kind that no record has.
    """
    chance = random.Random(seed)
    seq = 0
    for number in range(7):
        day = f"2026-11-{16 + number}"
        lines = []
        for _ in range(per_day):
            lines.append(_odd(chance, seq, day, strangeness))
            seq += 1
        archived = number < 3
        path = write_segment(folder, day, lines, archived=archived)
        damage = chance.choice(
            ("none", "none", "torn", "crc", "short", "middle", "empty line", "stub", "twin")
        )
        data = path.read_bytes()
        if archived and damage == "crc":
            path.write_bytes(data[:-8] + zlib.crc32(b"other").to_bytes(4, "little") + data[-4:])
        elif archived and damage == "short":
            path.write_bytes(data[: len(data) * 2 // 3])
        elif not archived and damage == "torn":
            path.write_bytes(data[:-37])
        elif not archived and damage == "middle":
            at = data.index(b"\n", len(data) // 2)
            path.write_bytes(data[: at - 20] + b"\n\x00\x00{not json\n\xff\n" + data[at + 1 :])
        elif not archived and damage == "empty line":
            path.write_bytes(data + b"\n\n")
        elif not archived and damage == "stub":
            stub = f'{{"log":"{LOG}","seq":{seq},"leaf":"{"a" * 64}"      }}\n'
            seq += 1
            path.write_bytes(data + stub.encode())
        elif not archived and damage == "twin":
            path.write_bytes(data + data[: data.index(b"\n") + 1])


def _odd(chance: random.Random, seq: int, day: str, strangeness: float) -> bytes:
    """Return a line of day *day*: mostly a call, plain or strange; else another event."""
    second = chance.randrange(86_400)
    stamp = f"{day}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.{chance.randrange(10**6):06}Z"
    generation = f"gen-{chance.randrange(60)}"
    kind = chance.random()
    if kind < 0.08:
        cost: Any = chance.choice((None, Raw("0.25"), Raw("0.000000000001")))
        model = chance.choice((None, "served/late"))
        return line(
            seq, event_type="generation", timestamp=stamp, generation_id=generation, total_cost=cost,
            cost_source="generation" if cost else None, model_used=model, total_tokens=7,
        )  # fmt: skip
    if kind < 0.1:
        return line(seq, event_type="log", timestamp=stamp, message="m", user_id=5, level="INFO")
    if kind < 0.13:
        return line(seq, event_type="chat_completion.started", timestamp=stamp, status=None)
    if kind < 0.15:
        return line(
            seq,
            event_type="log.lost",
            timestamp=stamp,
            status=None,
            count=3,
            reason=chance.choice(("disk", "gone")),
        )
    succeeded = chance.random() < 0.8
    members: dict[str, Any] = {
        "timestamp": stamp,
        "status": "success" if succeeded else chance.choice(("error", "timeout", "cancelled", "blocked")),
        "user_id": chance.choice((None, "u-1", "u-2", chance.choice(HOSTILE))),
        "model_requested": chance.choice(("a/b", "c/d", None, chance.choice(HOSTILE[:4]))),
        "model_used": chance.choice(("a/b", "a/b-2026", None)) if succeeded else None,
        "provider": chance.choice(("P", "Q", None)),
        "generation_id": chance.choice((generation, f"gen-own-{seq}", None)),
        "prompt_tokens": chance.choice((None, 10, 0)),
        "completion_tokens": chance.choice((None, 5)),
        "total_tokens": chance.choice((None, 15, chance.randrange(1000), 10**14)),
        "total_cost": chance.choice((None, Raw("0.0"), Raw("0.1"), Raw(f"0.{chance.randrange(10**12):012}"))),
        "latency_ms": chance.choice((None, 5, round(chance.random() * 1000, 3), chance.random())),
        "ttft_ms": chance.choice((None, round(chance.random() * 100, 3))),
        "error_type": None if succeeded else chance.choice((None, "rate_limit", "Boom")),
        "error_code": None if succeeded else chance.choice((None, 429, "402", "provider_said")),
    }
    if chance.random() < 0.3:
        members |= {"is_byok": chance.choice((True, False)), "upstream_cost": Raw("0.05")}
    if chance.random() < 0.5:
        members["metadata"] = chance.choice(
            ({"feature": "faq"}, {"feature": 5}, {"feature": "\u0000"}, {"x": [1]}, None)
        )
    if chance.random() < 0.2:
        members["redactions"] = chance.choice(({"EMAIL": 2}, {"EMAIL": 1, "PHONE": 1}))
    if chance.random() < 0.1:
        other = f"gen-{chance.randrange(60)}"
        ids = chance.choice(([generation, other], [generation] * 2, [generation, None], [other, 5], []))
        members["generation_ids"] = Raw(json.dumps(ids, separators=(",", ":")))
    if chance.random() < 0.1:
        members["started_id"] = f"id-{chance.randrange(seq + 1)}"
    if chance.random() < strangeness:
        members |= chance.choice(_STRANGE)
    return line(seq, **members)


_STRANGE: tuple[dict[str, Any], ...] = (
    {"total_cost": Raw("12345678.123456789012")},
    {"total_cost": Raw("0.00000000000049999")},
    {"total_cost": Raw("1e-5")},
    {"total_cost": Raw("99999999.5")},
    {"total_cost": "0.1"},
    {"total_cost": Raw("NaN")},
    {"total_cost": Raw("123456789012345678901234")},
    {"total_cost": Raw("-0.5")},
    {"prompt_tokens": "12"},
    {"total_tokens": 1.7},
    {"total_tokens": True},
    {"total_tokens": 10**30},
    {"user_id": 5},
    {"user_id": {"a": 1}},
    {"provider": 7},
    {"provider": ["x"]},
    {"is_byok": 1},
    {"latency_ms": "1.5"},
    {"latency_ms": 1e300},
    {"error_code": 1.5},
    {"metadata": "text"},
    {"redactions": "text"},
    {"metadata": [1, None]},
    {"redactions": {"EMAIL": "many"}},
    {"error_message": "\ud800"},
    {"id": None},
)
