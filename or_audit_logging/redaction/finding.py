"""What redaction looks for: findings, the matchers that make them, and the cheap looks that spare most work.

    MATCHERS = (Matcher("email", find_emails, may_match=lambda look: "@" in look.text, needle="@"),)

A matcher works in two stages. `may_match`, or the search for `needle`, is cheap and false only where `find`
would find nothing; `find` is precise, bounded and linear in the length of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Finding:
    """A place in the original text: `text[start:end]` is personal data or a secret.

    `category` is contact, government, financial, credential or network; `vendor` says whose key it is,
    where that is known.
    """

    type: str
    category: str
    start: int
    end: int
    vendor: str | None = None


_DIGITS_ONLY = bytes(0x30 if 0x30 <= byte <= 0x39 else byte for byte in range(256))
_SEPARATORS = b" \t-./()"
_TOKENS = bytes(
    0x78 if (chr(byte).isalnum() and byte < 0x80) or byte in b"_-" else 0x20 for byte in range(256)
)


class Look:
    """A text and what cheap tests ask about it, each computed once. Characters beyond ASCII count as '?'."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def lower(self) -> str:
        """The text in lower case."""
        return self.text.lower()

    @cached_property
    def digits(self) -> bytes:
        """Every digit as 0, and no space, tab, hyphen, dot, slash or bracket: `b"0000000" in look.digits`."""
        return self._ascii.translate(_DIGITS_ONLY, _SEPARATORS)

    @cached_property
    def tokens(self) -> bytes:
        """Letters, digits, _ and - as x, all else as a space: `b"x" * 16 in look.tokens`."""
        return self._ascii.translate(_TOKENS)

    @cached_property
    def _ascii(self) -> bytes:
        return self.text.encode("ascii", "replace")


class Matcher(NamedTuple):
    """One kind of thing that is looked for."""

    name: str
    find: Callable[[str], Iterable[Finding]]
    """Yields what is in a text of at most some 50,000 characters; findings may overlap those of others."""
    may_match: Callable[[Look], bool]
    """The gate of the standard library."""
    needle: str
    """The gate of RE2: a pattern in its syntax that is found wherever `find` finds something."""
