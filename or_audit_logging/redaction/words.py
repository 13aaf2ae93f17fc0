"""The words around a number, which say what it is where its form alone does not."""

from __future__ import annotations

import re


def vocabulary(words: str) -> frozenset[str]:
    """Return the set of the *words* that one text holds."""
    return frozenset(words.split())


_REACH = 48
"""How many characters before a number are read."""

_WORD = re.compile(r"[^\W\d_]+")
_ASCII_WORD = re.compile(r"[a-z]+")
_FILLERS = vocabulary("are is number numbers no nr num was")


def words_before(text: str, start: int) -> list[str]:
    """Return the words, in lower case and in order, that stand shortly before *start*; `a_b` is two words."""
    before = text[max(0, start - _REACH) : start].lower()
    return (_ASCII_WORD if before.isascii() else _WORD).findall(before)


def label(words: list[str]) -> str:
    """Return the last of *words* that names something: `order` of `order number is`."""
    for word in reversed(words):
        if word not in _FILLERS:
            return word
    return ""
