"""What `verify` is given, read and checked: a place, keys, anchors, a pinned log, an age."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.anchors import Anchor, collect, is_inside, refusal
from or_audit_logging.evidence.identity import Identity
from or_audit_logging.evidence.report import Finding, Observations, Place
from or_audit_logging.keys import KeyRing, KeySources, is_key_named
from or_audit_logging.log.segments import LogLayout
from or_audit_logging.sealing.checkpoint import ORIGIN

PathText: TypeAlias = str | os.PathLike[str]
AnchorPlaces: TypeAlias = Iterable[Anchor | PathText] | Anchor | PathText

STANDARD_INPUT = "-"

_LOG_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Pin:
    """The log that an auditor means: by its id, by its origin, or any."""

    log_id: str | None = None
    origin: str | None = None

    @classmethod
    def parse(cls, text: object) -> Pin:
        """Return what *text*, a log id or an origin, stands for; raises `ConfigError`."""
        if text is None:
            return cls()
        if isinstance(text, str) and _LOG_ID.fullmatch(text):
            return cls(log_id=text)
        if isinstance(text, str) and "/" in text and ORIGIN.fullmatch(text):
            return cls(origin=text)
        raise ConfigError(
            "log_id is a log id of 32 lower-case hex digits, or an origin such as host/audit/<16 hex digits>"
        )

    @property
    def log(self) -> str | None:
        """The 16 hex digits that the log's lines bear."""
        return self.log_id[:16] if self.log_id else log_of_origin(self.origin)

    def mismatches(self, identity: Identity) -> list[Finding]:
        """Return the finding that *identity* is of another log."""
        message = "this is not the log that was asked for"
        found = identity.log_id.hex() if identity.log_id is not None else identity.log
        if self.log_id not in (None, found):
            return [Place().finding("log-id", message, expected=self.log_id, found=found)]
        if self.origin not in (None, identity.origin):
            return [Place().finding("origin", message, expected=self.origin, found=identity.origin)]
        return []


def log_of_origin(origin: str | None) -> str | None:
    """Return the last part of *origin*, which is what the log's lines bear."""
    return origin.rpartition("/")[2] if origin else None


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be verified: a log's folder, a store, or the file of an export (None: standard input).

    `layout` is the log's in the folder, if there is one, and `trouble` says why that is not known. Copies of
    checkpoints in `refuse` are no anchors.
    """

    folder: Path
    layout: LogLayout | None = None
    trouble: str | None = None
    is_export: bool = False
    export: Path | None = None
    refuse: Path | None = None
    store: Path | None = None


def find_log(path: PathText) -> Target:
    """Return what *path* names; raises `ConfigError`."""
    try:
        if not os.fspath(path):
            raise TypeError
        place = Path(os.path.abspath(os.path.expanduser(os.fspath(path))))
    except TypeError:
        raise ConfigError("path is a log's folder, a handler's filename, or a file of sealed lines") from None
    if os.fspath(path) == STANDARD_INPUT:
        return Target(place.parent, is_export=True)
    if os.path.exists(place) and not place.is_dir():
        if place.is_file() and looks_like_store(place):
            return Target(place.parent, store=place, refuse=place)
        layout = _layout_beside(place)
        if layout is None or place.name != f"{layout.stem}{layout.suffix}":
            is_segment = layout is not None and any(segment.path == place for segment in layout.files())
            refuse = place.parent if is_segment else place
            return Target(place.parent, is_export=True, export=place, refuse=refuse)
    is_folder = place.is_dir()
    try:
        if is_folder:
            return Target(place, LogLayout.discover(place), refuse=place)
        if (copy := LogLayout.of_copy(place)) is not None:
            return Target(place, copy, refuse=copy.folder)
        return Target(place.parent, LogLayout.from_filename(place), refuse=place.parent)
    except ConfigError as error:
        return Target(place, trouble=str(error) if is_folder else None, refuse=place)
    except OSError as error:
        trouble = f"the folder {place} cannot be read: {error.strerror}"
        return Target(place, trouble=trouble, refuse=place)


def looks_like_store(file: Path) -> bool:
    """Return whether *file* is a store, by what it says in its first bytes."""
    from or_audit_logging.store.reader import looks_like_store as looks  # brings sqlite3

    return looks(file)


def _layout_beside(file: Path) -> LogLayout | None:
    try:
        return LogLayout.discover(file.parent)
    except (ConfigError, OSError):
        return None


def open_ring(key: KeySources | KeyRing) -> KeyRing | None:
    """Return the key ring that *key* names, None where there is no key; raises `ConfigError`."""
    if isinstance(key, KeyRing):
        return key
    return KeyRing.from_sources(key) if is_key_named(key) else None


def gather_anchors(places: AnchorPlaces, *, refuse: Path | None, observations: Observations) -> list[Anchor]:
    """Return the anchors in *places*, except in *refuse*, the log's own folder; raises `ConfigError`."""
    if isinstance(places, (str, os.PathLike, Anchor)):
        places = [places]
    anchors: list[Anchor] = []
    for place in places:
        if not isinstance(place, Anchor):
            found, notes = collect(place, refuse=refuse)
            anchors += found
            observations.note(*notes)
        elif refuse is not None and is_inside(place.where, refuse):
            observations.note(refusal(place.where))
        else:
            anchors.append(place)
    return anchors


def oldest_allowed(age: timedelta | None, now: datetime | None, *, name: str = "max_age") -> datetime | None:
    """Return the moment that lies *age*, an argument called *name*, before *now*; raises `ConfigError`.

    None where no age is given, and where there was no such moment.
    """
    if age is None:
        return None
    moment = datetime.now(UTC) if now is None else now
    if moment.tzinfo is None:
        raise ConfigError("now needs a time zone")
    try:
        if age < timedelta(0):
            raise ConfigError(f"{name} is negative")
        return moment - age
    except TypeError:
        raise ConfigError(f"{name} is a timedelta, such as timedelta(hours=26)") from None
    except OverflowError:
        return None  # longer ago than there are dates
