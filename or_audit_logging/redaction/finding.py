"""What redaction looks for: findings, the matchers that make them, and the cheap looks that spare most work.

    MATCHERS = (Matcher("email", find_emails, may_match=lambda look: "@" in look.text, needle="@"),)

A matcher works in two stages. `may_match`, or the search for `needle`, is cheap and false only where `find`
would find nothing; `find` is precise, bounded and linear in the length of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple


class Finding(NamedTuple):
    """A place in the original text: `text[start:end]` is personal data or a secret.

    `category` is contact, government, financial, credential or network; `vendor` says whose key it is,
    where that is known.
    """

    type: str
    category: str
    start: int
    end: int
    vendor: str | None = None


LONG = 16
"""The least that a key with a vendor's prefix has, in characters of `tokens_of`."""
LONG_RUN = b"x" * LONG

_SEPARATORS = b" \t-./()"


def _mapped(signs: Callable[[str], str | None]) -> bytes:
    """Return the table for `bytes.translate` of a function over the characters of ASCII; None is a space."""
    return bytes(ord(signs(chr(byte)) or " ") if byte < 0x80 else 0x20 for byte in range(256))


_KINDS = _mapped(lambda sign: "0" if sign.isdigit() else "a" if sign.isalpha() else sign)
_TOKENS = _mapped(lambda sign: "x" if sign.isalnum() or sign in "_-" else None)


def kinds_of(text: str) -> bytes:
    """Return *text* with every digit as 0, every letter as a; characters beyond ASCII are '?'."""
    return text.encode("ascii", "replace").translate(_KINDS)


def tokens_of(text: str) -> bytes:
    """Return *text* with letters, digits, _ and - as x, all else as a space."""
    return text.encode("ascii", "replace").translate(_TOKENS)


def ascii_lower(text: str) -> str:
    """Return *text* in lower case, character for character: those beyond ASCII become '?'."""
    return text.lower() if text.isascii() else text.encode("ascii", "replace").decode("ascii").lower()


class Look:
    """A text and what cheap tests ask about it."""

    __slots__ = ("digits", "has_run", "kinds", "lower", "text", "tokens")

    def __init__(self, text: str) -> None:
        kinds = kinds_of(text)
        self.text = text
        self.lower = ascii_lower(text)
        """The text in lower case, ASCII only."""
        self.kinds = kinds
        """What `kinds_of` returns: `b"aa00" in look.kinds`."""
        self.digits = kinds.translate(None, _SEPARATORS) if b"0" in kinds else b""
        """`kinds` without space, tab, hyphen, dot, slash and bracket: `b"0000000" in look.digits`."""
        self.tokens = tokens_of(text)
        """What `tokens_of` returns: `b"x" * 20 in look.tokens`."""
        self.has_run = LONG_RUN in self.tokens
        """Whether a run of `tokens` has at least `LONG` characters."""


class Matcher(NamedTuple):
    """One kind of thing that is looked for."""

    name: str
    find: Callable[[str], Iterable[Finding]]
    """Yields what is in a text of at most some 50,000 characters; findings may overlap those of others."""
    may_match: Callable[[Look], bool]
    """The gate of the standard library."""
    needle: str
    """The gate of RE2: a pattern in its syntax that is found wherever `find` finds something."""
