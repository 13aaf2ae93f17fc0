"""E-mail addresses and telephone numbers.

    mailto:o'brien@corp.ie, (415) 555-2671, tel: 030/1234567      -> EMAIL, PHONE, PHONE

Addresses follow RFC 5322 (dot-atoms), RFC 6531 (international ones) and the lengths of RFC 1035 and 5321.
Telephone numbers follow E.164, the North American numbering plan, and the national form that begins with the
trunk digit 0 (E.123); any other grouping, and digits without grouping, count only beside a word for telephones.
They begin in the pass over all numbers, `numbers`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from or_audit_logging.redaction.finding import Finding, Matcher

_LOCAL = re.compile(r"[^\x00-\x20\"(),/:;<=>?@\[\\\]`{|}\x7f-\xa0\u2000-\u206f\u3000-\u3002\uff00-\uff0f]{1,64}")
"""What may stand left of the @, read backwards. Signs that end a word in text are left out."""

_LABEL = r"[0-9A-Za-z_\u00b7-\u1fff\u200c\u200d\u2c00-\u2fff\u3005-\ud7ff\uf900-\ufeff\U00010000-\U000effff-]{1,63}"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL}){{1,8}}")
_LITERAL = re.compile(r"\[?([0-9]{1,3}(?:\.[0-9]{1,3}){3})\]?(?![0-9.])")
_TOP = re.compile(r"(?i:xn--[0-9a-z-]{1,59}|[a-z]{2,24}|[^\x00-\x7f]{2,24})")
_VERSION = re.compile(r"v?[0-9]{1,6}\.[0-9]")
_PICTURES = frozenset("avif bmp gif ico jpeg jpg png svg webp".split())
_REPOSITORY_USERS = frozenset(["git", "hg", "svn"])
_VERP = re.compile(r"=[^\s\"(),/:;<>?@\[\\\]`{|}]{1,64}")  # bounce+ann=example.com@list.org, backwards
_ESCAPED = re.compile(r"[nrt]|u[0-9A-Fa-f]{4}")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af](?=[0-9A-Za-z._+-]{1,64}$)")
"""A letter of a script without spaces, before a local part in ASCII."""


def find_emails(text: str) -> Iterator[Finding]:
    """Yield the addresses in *text*: from each @, bounded looks to the left and to the right."""
    at, done = text.find("@"), 0
    while at >= 0:
        start = _local_start(text, at, done)
        end = _domain_end(text, at + 1) if start < at else 0
        if end and not _is_remote(text, start, at, end):
            done = end
            yield Finding("EMAIL", "contact", start, end)
        at = text.find("@", at + 1)


def _local_start(text: str, at: int, done: int) -> int:
    """Return where the local part before the @ at *at* begins; *at* if there is none."""
    floor = max(done, at - 64)
    back = text[floor:at][::-1]
    local = _LOCAL.match(back)
    if local is None:
        return at
    length = local.end()
    more = _VERP.match(back, length)
    if more and "+" in more[0]:
        length = more.end()
    start = at - length
    if start and text[start - 1] == "\\":
        escaped = _ESCAPED.match(text, start, at)  # the n of an escaped line end is no part of the address
        start = escaped.end() if escaped else start
    unspaced = None
    for unspaced in _UNSPACED.finditer(text[start:at]):
        pass
    start += unspaced.end() if unspaced else 0
    while start < at and text[start] in ".'*-!&%~^#$":
        start += 1
    return start


def _domain_end(text: str, start: int) -> int:
    """Return where the domain with at least two labels that begins at *start* ends, or 0."""
    literal = _LITERAL.match(text, start)
    if literal:
        return literal.end() if all(int(part) < 256 for part in literal[1].split(".")) else 0
    domain = _DOMAIN.match(text, start)
    if domain is None or _VERSION.match(text, start):
        return 0
    end = domain.end()
    while (dot := text.rfind(".", start, end)) > 0:
        top = _TOP.match(text, dot + 1, end)
        if top:
            return 0 if top[0].lower() in _PICTURES else top.end()
        end = dot
    return 0


def _is_remote(text: str, start: int, at: int, end: int) -> bool:
    """Return whether this is where a repository is fetched from, git@host:path, and nobody's address."""
    return text[start:at] in _REPOSITORY_USERS and (text[end : end + 1] in (":", "/") or text[start - 3 : start] == "://")


_BEFORE, _AFTER = 48, 16
"""How many characters around a number are searched for a word that tells what it is."""

_GAP = r"[ .()/-]{1,3}"
_INTERNATIONAL = re.compile(rf"[1-9][0-9]{{0,14}}(?:{_GAP}[0-9]{{1,12}}){{0,7}}")
_EXIT_CODE = re.compile(rf"(?:00|011)(?:{_GAP})?[1-9][0-9]{{0,2}}(?:{_GAP}[0-9]{{1,12}}){{1,7}}")
_END = r"(?![0-9A-Za-z_]|[.:/-][0-9])"
_EXTENSION = re.compile(
    r"(?i:[ ,;]{0,2}(?:extension|extn?\.?|x|#|durchwahl|poste)[ .:]{0,2}[0-9]{1,6}(?![0-9A-Za-z_]))"
)
_AMERICAN = re.compile(
    r"(?:(?:001|011|1)[ .-]{1,2}(?:\()?)?"
    r"(?:(?<=\()[2-9][0-9]{2}\)[ .-]{0,2}[0-9]{3}[ .-]?[0-9]{4}"
    r"|[2-9][0-9]{2}-[0-9]{3}-[0-9]{4}"
    r"|[2-9][0-9]{2}([ .])[2-9][0-9]{2}\1[0-9]{4}"
    r"|[2-9][0-9]{2}/[0-9]{3}-[0-9]{4})"
)
_TRUNK = re.compile(rf"0[1-9][0-9]{{0,4}}(?:\)?{_GAP}[0-9]{{1,8}}){{1,4}}")
_AREA = re.compile(r"(?<=\()[0-9]{2,5}\)[ -]?[0-9]{3,5}(?:[ -][0-9]{3,4}){1,2}")
_ANY = re.compile(rf"[0-9]{{1,12}}(?:{_GAP}[0-9]{{1,12}}){{0,6}}")
_DATE = re.compile(
    r"[0-3]?[0-9]([./-])[01]?[0-9]\1(?:[0-9]{2}|(?:19|20)[0-9]{2})|[01]?[0-9]([./-])[0-3]?[0-9]\2(?:19|20)?[0-9]{2}"
    r"|(?:19|20)[0-9]{2}([ ./-])[01]?[0-9]\3[0-3]?[0-9]|97[89][ -]?[0-9 -]{10,14}"
)
"""Dates in groups, and ISBNs."""
_DECIMAL = re.compile(r"[0-9]+\.[0-9]+")
_ZIP = re.compile(r"[0-9]{5}-[0-9]{4}")

_NAMED = re.compile(
    r"(?<![a-z])(?:tele|cell|smart|mobile|work|home|contact|user|office)?_?phones?(?![a-z])"
    r"|(?<![a-z])(?:t[eé]l(?![a-z])|t[eé]l[eéè]fon|tlf|tfno|tf\.|ph\.|mob(?:ile?|\.|ilnummer|iltelefon)(?![a-z])|m[oó]vil|cell?(?:ular|ulare)?(?![a-z])"
    r"|fax|handy|whatsapp|sms|msisdn|hotline|voicemail|pager|landline|switchboard|rufnummer|num[eé]ro de)"
    r"|тел|电话|電話|手机|手機|携帯|هاتف|फ़ोन|फोन|전화"
)
_ASKED = re.compile(
    r"(?<![a-z_])(?:call(?:ed|ing|back)?|llam[aeé]\w{0,3}|appele[rz]?|anrufen|chiam\w{1,4}|lig(?:ue|ar)|reach(?:ed|ing)?|ring|dial(?:led|ing)?|text(?:ed|ing)?"
    r"|contact(?:ed|ing)?|answer(?:ed|ing)?|messages?|registered|(?:my|his|her|your|our|their)(?: [a-z]{2,12})? number|emergency|main line)"
    r"(?:[ :]{1,2}(?:me|us|him|her|them|you|back|now|on|at|to|is|was|are|the|my|number|al|le|numbers?|no|manager|office|line"
    r"|desk|hotline|support|directly|urgently|or|and|[0-9 ()+.-]{7,20}))*[ :]{0,3}$"
)
_OTHERWISE = frozenset(
    "account acct amount birth bytes card case code col commit cost count created date dob duration epoch expires "
    "hash iban id ids imei index invoice ip isbn issue itin key lat latitude length line lng lon longitude mac model "
    "ms ns offset order page pid pin port postcode price product ref reference release request rev row score seconds "
    "seed seq sequence serial session size sku span ssn ticket time timestamp tin token tokens total trace tracking "
    "ts us updated usd uuid ver version year zip zipcode".split()
)
_LAST_WORD = re.compile(r"[\"'=:#\[(+ .\\*-]{0,8}(?:(?:rebmun|on|rn|mun|si) )?([a-z]{0,20})")
_NAMED_AFTER = re.compile(r"[ ,(\\-]{1,3}(?:fax|mobile|cell|office|desk|phone|tel)(?![a-z_])(?! [a-z])")


def phone_at(text: str, start: int) -> Finding | None:
    """Return the telephone number, in groups, that begins with the digit at *start*."""
    if text[start - 1 : start] == "+" or text[start - 2 : start] == "+(":
        return _international(text, start)
    for pattern, valid in ((_AMERICAN, None), (_EXIT_CODE, _is_plain), (_TRUNK, _is_national), (_AREA, None)):
        match = pattern.match(text, start)
        end = _bounded(text, match) if match else 0
        if end and (valid is None or valid(text[start:end])) and not _is_otherwise(text, start):
            return _phone(text, start, end)
    match = _ANY.match(text, start)
    end = _bounded(text, match) if match else 0
    if not end or not _is_plain(text[start:end]) or not _is_told(text, start, end):
        return None
    return _phone(text, start, end)


def bare_phone_at(text: str, start: int, end: int) -> Finding | None:
    """Return the telephone number that the digits from *start* to *end* are: after a +, or where a word says so."""
    length = end - start
    if length < 6 or length > 15:
        return None
    if text[start - 1 : start] == "+":
        return _international(text, start)
    return _phone(text, start, end) if _is_told(text, start, end, bare=True) else None


def _international(text: str, start: int) -> Finding | None:
    match = _INTERNATIONAL.match(text, start)
    if match is None:
        return None
    end = _bounded(text, match, most=11 if text[start] == "1" else 15)
    digits = _count(text[start:end])
    lone = _DECIMAL.fullmatch(text, start, end)
    if lone and text.find(".", start, end) + 7 > end - 1:
        return None  # a signed decimal; the provisioning form of RFC 5733 has seven digits and more behind the dot
    if digits < 8 and not (digits >= 6 and _is_told(text, start, end)):
        return None
    return _phone(text, start, end)


def _bounded(text: str, match: re.Match[str], most: int = 15) -> int:
    """Return where the number ends: whole groups, at most *most* digits, nothing glued behind; or 0."""
    start, end = match.span()
    while end > start:
        after = text[end : end + 1]
        glued = after.isalnum() or after == "_" or (after in (".", ":", "/", "-") and text[end + 1 : end + 2].isdigit())
        if (not glued or _EXTENSION.match(text, end)) and _count(text[start:end]) <= most:
            return end
        while end > start and text[end - 1].isdigit():
            end -= 1
        while end > start and not text[end - 1].isdigit():
            end -= 1
    return 0


def _count(text: str) -> int:
    return sum(map(str.isdigit, text))


def _phone(text: str, start: int, end: int) -> Finding:
    """Return the finding, with the bracket and the plus before it, and the extension after."""
    if text[start - 1 : start] == "(" and (")" in text[start:end] or text[end : end + 1] == ")"):
        start -= 1
        end += text[end : end + 1] == ")" and ")" not in text[start:end]
    if text[start - 1 : start] == "+":
        start -= 1
    extension = _EXTENSION.match(text, end)
    return Finding("PHONE", "contact", start, extension.end() if extension else end)


def _is_plain(number: str) -> bool:
    return 7 <= _count(number) <= 15 and not (
        _DATE.fullmatch(number) or _DECIMAL.fullmatch(number) or _ZIP.fullmatch(number)
    )


def _is_national(number: str) -> bool:
    return _is_plain(number) and 9 <= _count(number) <= 11


def _is_otherwise(text: str, start: int) -> bool:
    """Return whether the word right before the number names something else: an order, an id, a time."""
    word = _LAST_WORD.match(text[max(0, start - _BEFORE) : start].lower()[::-1])
    return word is not None and word[1][::-1] in _OTHERWISE


def _is_told(text: str, start: int, end: int, *, bare: bool = False) -> bool:
    """Return whether the words around the number say that it is a telephone number."""
    if _is_otherwise(text, start):
        return False
    before = text[max(0, start - _BEFORE) : start].lower()
    key = before.rstrip(" \"'(+[\\")
    if key.endswith(("=", ":")):
        before = re.split(r"[,;&{}\[\]\n|]", key)[-1]
    if _NAMED.search(before):
        return True
    if bare and end - start == 10 and text[start] == "1":
        return False  # seconds since 1970
    if _ASKED.search(before):
        return True
    return not bare and _NAMED_AFTER.match(text[end : end + _AFTER].lower()) is not None


MATCHERS = (Matcher("email", find_emails, may_match=lambda look: "@" in look.text, needle="@"),)
