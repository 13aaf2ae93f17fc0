"""`RetentionPolicy`: how long a log's segments are kept, and for how long plain. The profiles.

    RetentionPolicy(archive_after_days=30, delete_after_days=90)
    PROFILES["financial"].delete_after_days          -> 2557

Days are counted from UTC date to UTC date, and years as the most days that so many can have. Whether a
profile is what a rule asks of you is for you to find out: each names the rule that its numbers come from,
and `docs/retention.md` says more.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from or_audit_logging.errors import ConfigError, FormatError
from or_audit_logging.sealing.keeping import minimum_days

_MOST_DAYS = 1_000_000
_LONGEST_NAME = 100
_NEVER = _MOST_DAYS + 1


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """When segments are compressed, when they are deleted, and before which age they never are.

    `archive_after_days`: at this age a segment is moved to the archive; None leaves it plain.
    `delete_after_days`: at this age it is deleted; None keeps it for ever. `min_days`: what the log promises,
    and `verify` holds it to; None is `delete_after_days`. Raises `ConfigError`.
    """

    archive_after_days: int | None = 30
    delete_after_days: int | None = 90
    min_days: int | None = None
    name: str = "custom"

    def __post_init__(self) -> None:
        """Refuse what is no policy."""
        for what, least in (("archive_after_days", 0), ("delete_after_days", 1), ("min_days", 0)):
            days = getattr(self, what)
            if days is not None and (type(days) is not int or not least <= days <= _MOST_DAYS):
                raise ConfigError(f"{what} is a number of days, {least} to {_MOST_DAYS:,}, or None")
        if None not in (self.min_days, self.delete_after_days) and self.minimum > (
            self.delete_after_days or 0
        ):
            raise ConfigError(
                f"min_days is {self.min_days} and delete_after_days {self.delete_after_days}: "
                "nothing is deleted before its minimum"
            )
        name: object = self.name
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
            raise ConfigError(f"a policy's name is a text of 1 to {_LONGEST_NAME} characters")

    @property
    def minimum(self) -> int:
        """For how many days at least the log promises to keep its lines."""
        return self.min_days if self.min_days is not None else self.delete_after_days or 0

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> RetentionPolicy:
        """Return the policy in a JSON or TOML file: the members of this class; raises `ConfigError`.

        `delete_after_days` has to be there, so that nothing goes because somebody left it out. "never" stands
        for None, which TOML cannot say. Another one that is not there has its default, the name that of the
        file.
        """
        file = Path(path)
        try:
            text = file.read_text("utf-8-sig")  # some editors begin it with a byte order mark
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ConfigError(f"the policy in {file} cannot be read: {reason}") from None
        try:
            members = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"the policy in {file} cannot be read: {error}") from None
        known = [field.name for field in fields(cls)]
        if not isinstance(members, dict) or set(members) - set(known):
            raise ConfigError(f"the policy in {file} is an object of {', '.join(known)}, and nothing else")
        if "delete_after_days" not in members:
            raise ConfigError(
                f'the policy in {file} does not say delete_after_days: give a number of days, or "never"'
            )
        for what in ("archive_after_days", "delete_after_days"):
            if members.get(what) == "never":
                members[what] = None
        return cls(**({"name": file.stem} | members))

    @classmethod
    def from_sealed(cls, stated: Mapping[str, Any]) -> RetentionPolicy:
        """Return the policy that a log states; raises `FormatError`."""
        least, delete = minimum_days(dict(stated)), stated.get("delete_after_days")
        try:
            return cls(
                archive_after_days=stated.get("archive_after_days"),
                delete_after_days=max(least, delete) if type(delete) is int else delete,
                min_days=least,
                name=stated.get("name", "custom"),
            )
        except ConfigError as error:
            raise FormatError(f"the log's policy cannot be read: {error}") from None

    def to_sealed(self) -> dict[str, Any]:
        """Return what a log.policy states of it."""
        return {
            "name": self.name,
            "archive_after_days": self.archive_after_days,
            "delete_after_days": self.delete_after_days,
            "min_days": self.minimum,
        }


PROFILES: Mapping[str, RetentionPolicy] = MappingProxyType(
    {
        policy.name: policy
        for policy in (
            RetentionPolicy(30, 90, name="operational"),
            RetentionPolicy(30, 184, name="eu-ai-act"),
            RetentionPolicy(92, 366, name="pci-dss"),
            RetentionPolicy(90, 2192, name="hipaa"),
            RetentionPolicy(90, 2557, name="financial"),
        )
    }
)
"""The profiles by name, and the rules that their numbers come from.

- operational: none; a quarter in which one looks back.
- eu-ai-act: at least six months, which have up to 184 days; Regulation (EU) 2024/1689, Articles 19(1), 26(6).
- pci-dss: 12 months, of which 3 immediately available, that is, plain; PCI DSS 4.0.1, requirement 10.5.1.
- hipaa: 6 years; 45 CFR 164.316(b)(2)(i).
- financial: 7 years; 17 CFR 210.2-06. Longer than the 6 years of 17 CFR 240.17a-4(a).
"""

DEFAULT = "operational"


def policy_of(given: RetentionPolicy | str | os.PathLike[str]) -> RetentionPolicy:
    """Return the policy that *given* is: a policy, a profile's name or a file's; raises `ConfigError`."""
    if isinstance(given, RetentionPolicy):
        return given
    if isinstance(given, str) and given in PROFILES:
        return PROFILES[given]
    if not isinstance(given, (str, os.PathLike)):
        raise ConfigError("a policy is a RetentionPolicy, a profile's name, or the name of a file")
    if not Path(given).is_file():
        raise ConfigError(
            f"there is no policy {os.fspath(given)!r}: "
            f"give one of {', '.join(PROFILES)}, or a JSON or TOML file"
        )
    return RetentionPolicy.from_file(given)


def combine(policies: Sequence[RetentionPolicy]) -> tuple[RetentionPolicy, tuple[str, ...]]:
    """Return the one policy that keeps what each of *policies* asks for, and sentences on which won.

    The latest archive, the latest deletion and the longest minimum count; of equals the first.
    """
    if len(policies) == 1:
        return policies[0], ()
    archive = max(policies, key=lambda policy: _reach(policy.archive_after_days))
    delete = max(policies, key=lambda policy: _reach(policy.delete_after_days))
    least = max(policies, key=lambda policy: policy.minimum)
    names = dict.fromkeys(part for winner in (delete, archive, least) for part in winner.name.split("+"))
    together = RetentionPolicy(
        archive.archive_after_days,
        delete.delete_after_days,
        least.minimum,
        name="+".join(names)[:_LONGEST_NAME],
    )
    said = []
    for what, winner, member in (
        ("deletion", delete, "delete_after_days"),
        ("archiving", archive, "archive_after_days"),
        ("the promised minimum", least, "minimum"),
    ):
        days = getattr(winner, member)
        others = dict.fromkeys(
            f"{policy.name} ({_days(getattr(policy, member))})"
            for policy in policies
            if getattr(policy, member) != days
        )
        if others:
            said.append(f"{winner.name} wins for {what}: {_days(days)}, against {', '.join(others)}")
    return together, tuple(said)


def _reach(days: int | None) -> int:
    return _NEVER if days is None else days


def _days(days: int | None) -> str:
    if days is None:
        return "never"
    return "1 day" if days == 1 else f"{days:,} days"
