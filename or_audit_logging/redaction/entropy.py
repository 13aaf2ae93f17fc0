"""Keys that nothing announces: tokens in free text too irregular for words, numbers or known ids.

    find("try 8fQ2zR7vK1xW5nT3bY9m")        -> Finding("SECRET", "credential", 4, 24)

Ids of LLM stacks, UUIDs, digests, times, paths, names in code and long base64 (pictures, embeddings) are
spared. Meant for free text; a member known to hold an id is better not scanned at all.
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Iterator

from or_audit_logging.redaction.finding import Finding, Look, Matcher
from or_audit_logging.redaction.tokens import is_known_id, is_plain, long_runs

_LEAST, _MOST = 20, 160
_LONG = b"x" * _LEAST

_SPARED = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
"""What looks like an IBAN: their own matcher says whether it is one."""
_DIGIT_GROUPS = re.compile(r"[0-9]{1,40}")
_CASE_CHANGES = re.compile(r"[a-z](?=[A-Z0-9])|[A-Z](?=[a-z0-9])|[0-9](?=[A-Za-z])")
_SEPARATORS = re.compile(r"[-_]")
_WORDS = re.compile(r"[A-Z]?[a-z]{3,40}")


def find(text: str) -> Iterator[Finding]:
    """Yield the tokens in *text* that look random."""
    for start, end in long_runs(text)[1]:
        if not _LEAST <= end - start <= _MOST:
            continue
        escaped = text[start - 1 : start] == "\\" and text[start] in "nrt"
        if is_random(text[start + escaped : end]):
            span = _widened(text, start + escaped, end)
            if span:
                yield Finding("SECRET", "credential", *span)


def is_random(token: str) -> bool:
    """Return whether *token*, a run of letters, digits, `_` and `-`, is no name and no known id."""
    if is_known_id(token) or is_plain(token) or _SPARED.fullmatch(token):
        return False
    digits = _DIGIT_GROUPS.findall(token)
    if len(digits) < 2:
        return False
    letters = len(token) - sum(map(len, digits))
    if letters < 4:
        return False
    if _is_blob(token):
        return False
    parts = _SEPARATORS.split(token)
    if len(parts) > 2 and sum(map(is_plain, parts)) * 2 > len(parts):
        return False
    in_words = sum(map(len, _WORDS.findall(token)))
    changes = len(_CASE_CHANGES.findall(token))
    if changes * 5 < len(token) or (in_words * 2 > len(token) and changes * 3 < len(token)):
        return False
    return _shannon(token) >= 3.0 + 0.3 * math.log2(len(token) / _LEAST)


def _is_blob(token: str) -> bool:
    """Return whether *token* is rather the base64 of something long than a key."""
    return (
        len(token) >= 72
        and len(token) % 4 == 0
        and token.isalnum()
        and not (token.islower() or token.isupper())
    )


def _shannon(token: str) -> float:
    """Return the entropy of the token's characters in bits each."""
    n = len(token)
    return -sum(c / n * math.log2(c / n) for c in Counter(token).values())


def _widened(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return the whole token around a run, None where it is a part of a path, a digest or a blob."""
    before, after = text[max(0, start - _MOST - 1) : start], text[end : end + _MOST + 1]
    left = start - (len(before) - len(before.rstrip(_BASE64)))
    right = end + (len(after) - len(after.lstrip(_BASE64)))
    before, after = text[left - 1 : left], text[right : right + 1]
    whole = text[left:right]
    if right - left > _MOST:
        return None
    if "/" in whole or "+" in whole:
        if len(whole) >= 60 or whole.startswith("/") or "//" in whole or before in (".", "~", ":", "@"):
            return None
        if any(is_plain(part) for part in whole.split("/") if len(part) > 1):
            return None
    if before == "@" or after == "@" or text[left - 7 : left].lower() in ("sha256:", "sha512:", "sha384:"):
        return None
    if whole.startswith(("sha256-", "sha384-", "sha512-", "SHA256:")):
        return None
    if before == "." and after in ("(", "."):
        return None
    eq = whole.find("=")
    if 0 <= eq < start - left:
        left = start
    return left, right


_BASE64 = string.ascii_letters + string.digits + "+/=_-"


def may_match(look: Look) -> bool:
    """Return whether *look* has a run of 20 letters and digits."""
    return look.has_run and _LONG in look.tokens


MATCHERS: tuple[Matcher, ...] = (Matcher("high_entropy", find, may_match, r"[A-Za-z0-9_-]{20}"),)
