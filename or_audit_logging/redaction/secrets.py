"""Secrets without a vendor's form: JSON web tokens, private keys, passwords in URLs and commands; `named`.

find_jwts("eyJ…")       -> the token, if its header decodes to one
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator

from or_audit_logging.redaction import named
from or_audit_logging.redaction.candidates import MASKED, is_placeholder, looks_random
from or_audit_logging.redaction.finding import Finding, Look, Matcher
from or_audit_logging.redaction.tokens import long_runs


def _secret(start: int, end: int) -> Finding:
    return Finding("SECRET", "credential", start, end)


# --- JSON web tokens -------------------------------------------------------------------------------------

_JWT = re.compile(r"[A-Za-z0-9_-]{10,4000}={0,2}(?:\.[A-Za-z0-9_-]{2,16000}={0,2}){1,4}\.?")
_JWT_STARTS = ("eyJ", "eyA", "ewo", "ew0")
"""base64 of an opening brace and a quotation mark, a space or a line end."""


def find_jwts(text: str) -> Iterator[Finding]:
    """Yield the tokens whose header decodes to JSON that names an algorithm (RFC 7519, 7515, 7516)."""
    done = 0
    for run, end in long_runs(text)[1]:
        for start in (run, *(text.find(s, run + 1, end) for s in _JWT_STARTS)):
            if start >= done and text.startswith(_JWT_STARTS, start):
                match = _JWT.match(text, start)
                if match and (_is_jose_header(match[0].partition(".")[0]) or _TWO_OBJECTS.match(match[0])):
                    done = match.end()
                    yield _secret(start, done)
                    break


_TWO_OBJECTS = re.compile(r"eyJ[A-Za-z0-9_-]{16,4000}\.eyJ[A-Za-z0-9_-]{16}")


def _is_jose_header(encoded: str) -> bool:
    try:
        header = json.loads(
            base64.urlsafe_b64decode(encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 4))
        )
    except (ValueError, binascii.Error, RecursionError):
        return False
    return isinstance(header, dict) and not header.keys().isdisjoint(("alg", "enc", "typ", "kid"))


def _may_be_jwt(look: Look) -> bool:
    return look.has_run and any(start in look.text for start in _JWT_STARTS)


# --- Private keys ----------------------------------------------------------------------------------------

_PEM_BEGIN = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"|---- BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY ----"
)
_PEM_BODY = re.compile(r"(?:[A-Za-z0-9+/=:,.\s\\-](?!----)){0,16000}")
_PEM_TAIL = re.compile(r"(?: BLOCK)?[ -]{0,5}")
_PEM_MOST = 16_000
_PUTTY = re.compile(r"Private-Lines: [0-9]{1,4}[\r\n\\rn]{1,4}([A-Za-z0-9+/=\s\\]{16,8000})")


def find_private_keys(text: str) -> Iterator[Finding]:
    """Yield private keys in PEM (RFC 7468), line ends escaped or not, cut short or not, and PuTTY's."""
    at, end_at = text.find("BEGIN "), -1
    while at >= 0:
        begin = _PEM_BEGIN.match(text, max(0, at - 5))
        if not begin:
            at = text.find("BEGIN ", at + 6)
            continue
        if end_at < begin.end():
            end_at = text.find("PRIVATE KEY", begin.end())
            end_at = len(text) + _PEM_MOST if end_at < 0 else end_at
        end = begin.end()
        if end_at - end <= _PEM_MOST and text.rfind("END ", end, end_at) >= 0:
            end = end_at + len("PRIVATE KEY")
            tail = _PEM_TAIL.match(text, end)
            end = tail.end() if tail else end
        else:
            body = _PEM_BODY.match(text, end)
            end = body.end() if body else end
        yield _secret(begin.start(), end)
        at = text.find("BEGIN ", end)
    if "Private-Lines: " in text:
        for match in _PUTTY.finditer(text):
            yield _secret(*match.span(1))


def _may_hold_private_key(look: Look) -> bool:
    return "PRIVATE KEY" in look.text or "Private-Lines: " in look.text


# --- URLs ------------------------------------------------------------------------------------------------

_AUTHORITY = re.compile(r"([^\s/?#\"'<>`\\@:]{0,256})(?::([^\s/?#\"'<>`\\]{1,512}))?@(?=[\w.\[{$-])")
_FURTHER_PASSWORD = re.compile(r"[^\s/.?#\"'<>`\\@:]{1,64}/[^\s?#\"'<>`\\]{0,256}@(?=[\w.\[-])")
"""What goes on to another @ where no host with a dot or a port follows the first: a password with both."""
_MOST_AUTHORITY = 800
_LOOSE_PASSWORD = re.compile(
    r"([^\s/:\"'<>`\\@]{0,256}):(?![0-9]{1,5}(?:[/?#\s]|$))"
    r"([^\s\"'<>`\\@]{1,256})@(?=[\w.\[-])"
)


def find_url_passwords(text: str) -> Iterator[Finding]:
    """Yield passwords, and tokens in place of a user, from the userinfo of URLs (RFC 3986, section 3.2.1)."""
    at, sign = text.find("://"), 0
    while at >= 0:
        if sign < at:
            sign = text.find("@", at)
            if sign < 0:
                return
        if sign - at > _MOST_AUTHORITY:
            at = text.find("://", at + 3)
            continue
        match = _AUTHORITY.match(text, at + 3) or _LOOSE_PASSWORD.match(text, at + 3)
        if match:
            if match[2] and not MASKED.fullmatch(match[2]):
                further = _FURTHER_PASSWORD.match(text, match.end())
                yield _secret(match.start(2), further.end() - 1 if further else match.end(2))
            if len(match[1]) >= 16 and looks_random(match[1], 16):
                yield _secret(*match.span(1))
        at = text.find("://", match.end() if match else at + 3)


def _may_hold_url_password(look: Look) -> bool:
    return "://" in look.text and "@" in look.text


# --- curl ------------------------------------------------------------------------------------------------

_CURL_USER = re.compile(
    r"""(?:\s|^)(?:-u|--user|--proxy-user)[ =]{1,4}"""
    r"""["']?([^\s"':]{0,120})["']?:["']?([^\s"']{1,200})"""
)


def find_curl_users(text: str) -> Iterator[Finding]:
    """Yield the password of `curl --user name:password`."""
    at = text.find("curl")
    if at >= 0:
        for match in _CURL_USER.finditer(text, at):
            if not is_placeholder(match[2]):
                yield _secret(*match.span(2))
            elif looks_random(match[1], 12):
                yield _secret(*match.span(1))


MATCHERS: tuple[Matcher, ...] = (
    Matcher("jwt", find_jwts, _may_be_jwt, "eyJ|eyA|ewo|ew0"),
    Matcher("private_key", find_private_keys, _may_hold_private_key, "PRIVATE KEY|Private-Lines: "),
    Matcher("url_password", find_url_passwords, _may_hold_url_password, "://"),
    Matcher("curl_user", find_curl_users, lambda look: "curl" in look.text, "curl"),
    Matcher("named_secret", named.find, named.may_match, named.NEEDLE),
)
