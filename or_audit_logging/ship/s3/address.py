"""`Address`: what stands behind `s3:`, and the keys of the objects that are put there.

parse_address("acme-audit/llm?lock=compliance&days=400")
-> Address(bucket="acme-audit", prefix="llm/", mode="COMPLIANCE", days=400)

llm/dt=2026-11-21/host=h1/audit_2026-11-21.jsonl.gz                                  a closed segment
llm/dt=2026-11-21/host=h1/checkpoints/0001020304050607-0000000000000001000.json      a checkpoint
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Literal

from or_audit_logging.errors import ConfigError
from or_audit_logging.ship.address import named

Mode = Literal["COMPLIANCE", "GOVERNANCE"]

CHECKPOINTS = "checkpoints/"
"""The folder of checkpoints beside the segments of a day and host."""

_MODES: dict[str, Mode | None] = {"none": None, "compliance": "COMPLIANCE", "governance": "GOVERNANCE"}
_MOST_DAYS = 36_500
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"(?:[A-Za-z0-9!_.*'()=-]+/)*")
_LONGEST_PREFIX = 512
_DAYS = re.compile(r"[1-9][0-9]{0,4}")
_NOT_IN_HOST = re.compile(r"[^A-Za-z0-9._-]+")
_NAME_DAY = re.compile(r"_([0-9]{4}-[0-9]{2}-[0-9]{2})(?:\.[1-9][0-9]*)?\.[A-Za-z0-9]+")
_HOST_FOLDER = re.compile(r"(?:^|/)dt=[^/]+/host=([^/]+)/")
_CHECKPOINT = re.compile(r"dt=[^/]+/host=[^/]+/checkpoints/([0-9a-f]{16})-([0-9]{19})\.json")

_HOW = (
    "the address is s3:BUCKET/PREFIX, such as s3:acme-audit/llm, and behind it, if they are wanted, "
    "?lock=compliance or ?lock=governance, and &days=N"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A bucket, what all keys in it begin with (empty, or with a / at its end), and the lock that is wanted.

    `days`: for so long, whatever the log's policy says; None: as long as that promises.
    """

    bucket: str
    prefix: str = ""
    mode: Mode | None = None
    days: int | None = None

    @property
    def name(self) -> str:
        """What the target is called in messages, and in the status: with the lock, if there is one."""
        place = f"s3:{self.bucket}/{self.prefix}".removesuffix("/")
        return place if self.mode is None else f"{place} ({self.mode.lower()})"

    def folder(self, day: date, host: str) -> str:
        """Return what the keys of a day and host begin with."""
        return f"{self.prefix}dt={day.isoformat()}/host={host}/"

    def segment_key(self, day: date, host: str, name: str) -> str:
        """Return the key of the segment called *name*."""
        return f"{self.folder(day, host)}{name}.gz"

    def checkpoint_key(self, day: date, host: str, *, log: str, size: int) -> str:
        """Return the key of the checkpoint over the first *size* lines of *log* (16 hex digits)."""
        return f"{self.folder(day, host)}{CHECKPOINTS}{log}-{size:019d}.json"

    def checkpoint_at(self, key: str) -> tuple[str, int] | None:
        """Return log and size of the checkpoint at *key*; None where *key* is that of something else."""
        found = _CHECKPOINT.fullmatch(key.removeprefix(self.prefix))
        return (found[1], int(found[2])) if found is not None else None


def parse_address(text: str) -> Address:
    """Return what *text*, which stands behind `s3:`, says; raises `ConfigError`."""
    place, _, query = text.partition("?")
    bucket, _, prefix = place.partition("/")
    prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    if not _BUCKET.fullmatch(bucket):
        raise ConfigError(f"{_HOW}; a bucket's name has 3 to 63 small letters, digits, - and .")
    if not _PREFIX.fullmatch(prefix) or len(prefix) > _LONGEST_PREFIX or {".", ".."} & set(prefix.split("/")):
        raise ConfigError(f"{_HOW}; a prefix has letters, digits, ! - _ . * ' ( ) = and single /")
    options = named(query, ("lock", "days"), target="s3")
    lock, days = options.get("lock", "none"), options.get("days")
    if lock not in _MODES:
        raise ConfigError(_HOW)
    if days is not None and (lock == "none" or not _DAYS.fullmatch(days) or int(days) > _MOST_DAYS):
        raise ConfigError(
            f"days goes with a lock, and is 1 to {_MOST_DAYS:,}: s3:BUCKET/PREFIX?lock=...&days=N"
        )
    return Address(bucket=bucket, prefix=prefix, mode=_MODES[lock], days=int(days) if days else None)


def host_of(origin: str) -> str:
    """Return the host in a log's *origin*, `<host>/<stem>/<log>`, as it stands in keys."""
    host = origin.rsplit("/", 2)[0]
    return _NOT_IN_HOST.sub("-", host) or "-"


def host_in(key: str) -> str:
    """Return the host in *key*, which is below the folder of a day; empty where it has none."""
    found = _HOST_FOLDER.search(key)
    return found[1] if found is not None else ""


def day_of(name: str) -> date | None:
    """Return the day in the name of a segment, None where it has none."""
    found = _NAME_DAY.search(name)
    try:
        return date.fromisoformat(found[1]) if found is not None else None
    except ValueError:
        return None
