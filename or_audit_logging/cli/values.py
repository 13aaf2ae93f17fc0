"""What options may be given as: ages, days, amounts. Each raises argparse's error with a sentence."""

from __future__ import annotations

import argparse
import re
from datetime import date, timedelta
from decimal import Decimal

from or_audit_logging.pricing import usd

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def age(text: str) -> timedelta:
    """Return the length of time that *text* states, such as 30m, 1h or 7d."""
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no age; give a number and s, m, h or d, such as 1h")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def day(text: str) -> date:
    """Return the date that *text* states, such as 2026-11-21."""
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise argparse.ArgumentTypeError(f"{text!r} is no date; give a UTC day, such as 2026-11-21")


def positive(text: str) -> int:
    """Return the whole number that *text* states, 1 or more."""
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number; give 1 or more")
    return int(text)


def seconds(text: str) -> float:
    """Return the number of seconds that *text* states, more than 0."""
    value = usd(text)
    if value is None or not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of seconds; give more than 0 and at most 86400, as 30"
        )
    return float(value)


def rate(text: str) -> float:
    """Return the number of times a second that *text* states, more than 0 and at most 1000."""
    value = usd(text)
    if value is None or not 0 < value <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is no rate; give questions a second, such as 10 or 0.5")
    return float(value)


def amount(text: str) -> Decimal:
    """Return the amount in USD that *text* states, not negative."""
    value = usd(text)
    if value is None or value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no amount; give USD, such as 0.000001")
    return value
