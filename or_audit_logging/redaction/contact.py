"""E-mail addresses and telephone numbers.

    mailto:o'brien@corp.ie, (415) 555-2671, tel: 030/1234567      -> EMAIL, PHONE, PHONE

Addresses follow RFC 5322 (dot-atoms), RFC 6531 (international ones) and the lengths of RFC 1035 and 5321.
Telephone numbers follow E.164, the North American numbering plan, and the national form that begins with
the trunk digit 0 (E.123); any other grouping, and digits without grouping, count only beside a word for
telephones. They begin in the pass over all numbers, `numbers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from or_audit_logging.redaction.finding import Finding, Matcher
from or_audit_logging.redaction.words import label, vocabulary, words_before

_LOCAL = re.compile(
    r"[^\x00-\x20\"(),/:;<=>?@\[\\\]`{|}\x7f-\xa0\u2000-\u206f\u3000-\u3002\uff00-\uff0f]{1,64}"
)
"""What may stand left of the @, read backwards. Signs that end a word in text are left out."""

_LABEL = (
    r"[0-9A-Za-z_\u00b7-\u1fff\u200c\u200d\u2c00-\u2fff\u3005-\ud7ff\uf900-\ufeff\U00010000-\U000effff-]"
    r"{1,63}"
)
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL}){{1,8}}")
_LITERAL = re.compile(r"\[?([0-9]{1,3}(?:\.[0-9]{1,3}){3})\]?(?![0-9.])")
_TOP = re.compile(r"(?i:xn--[0-9a-z-]{1,59}|[a-z]{2,24}|[^\x00-\x7f]{2,24})")
_VERSION = re.compile(r"v?[0-9]{1,6}\.[0-9]")
_PICTURES = vocabulary("avif bmp gif ico jpeg jpg png svg webp")
_REPOSITORY_USERS = frozenset(["git", "hg", "svn"])
_VERP = re.compile(r"=[^\s\"(),/:;<>?@\[\\\]`{|}]{1,64}")  # bounce+ann=example.com@list.org, backwards
_ESCAPED = re.compile(r"[nrt]|u[0-9A-Fa-f]{4}")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af](?=[0-9A-Za-z._+-]{1,64}\Z)")
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
    unspaced = _UNSPACED.search(text, start, at)
    start = unspaced.end() if unspaced else start
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
    fetched = text[end : end + 1] in (":", "/") or text[max(0, start - 3) : start] == "://"
    return fetched and text[start:at] in _REPOSITORY_USERS


_GAP = r"[ .()/-]{1,3}"
_INTERNATIONAL = re.compile(rf"[1-9][0-9]{{0,14}}(?:{_GAP}[0-9]{{1,12}}){{0,7}}")
_EXIT_CODE = re.compile(rf"(?:00|011)(?:{_GAP})?[1-9][0-9]{{0,2}}(?:{_GAP}[0-9]{{1,12}}){{1,7}}")
_GLUED = re.compile(r"\w|[.:/-][0-9]|-\w{1,2}\b")
_EXTENSION = re.compile(
    r"(?i:[ ,;]{0,2}(?:extension|extn?\.?|x|#|durchwahl|poste)[ .:]{0,2}[0-9]{1,6}(?![0-9A-Za-z_]))"
)
_AMERICAN = re.compile(
    r"(?:(?:001|011|1)[ .-]{1,2}(?:\()?)?"
    r"(?:(?<=\()[2-9][0-9]{2}\)[ .-]{0,2}[0-9]{3}[ .-]?[0-9]{4}"
    r"|[2-9][0-9]{2}-[0-9]{3}-[0-9]{4}"
    r"|[2-9][0-9]{2} [2-9][0-9]{2} [0-9]{4}|[2-9][0-9]{2}\.[0-9]{3}\.[0-9]{4}"
    r"|[2-9][0-9]{2}/[0-9]{3}-[0-9]{4})"
)
_TRUNK = re.compile(rf"0\)?[1-9][0-9]{{0,4}}(?:\)?{_GAP}[0-9]{{1,8}}){{1,4}}")
_AREA = re.compile(r"(?<=\()[0-9]{2,5}\)[ -]?[0-9]{3,5}(?:[ -][0-9]{3,4}){1,2}")
_ANY = re.compile(rf"[0-9]{{1,12}}(?:{_GAP}[0-9]{{1,12}}){{0,6}}")
_FORMS = {
    "0": (_AMERICAN, _EXIT_CODE, _TRUNK),
    **dict.fromkeys("123456789", (_AMERICAN,)),
}
_SURE = (_AMERICAN,)

_DATE = re.compile(
    r"[0-3]?[0-9]([./-])[01]?[0-9]\1(?:[0-9]{2}|(?:19|20)[0-9]{2})|[01]?[0-9]([./-])[0-3]?[0-9]\2(?:19|20)?[0-9]{2}"
    r"|(?:19|20)[0-9]{2}([ ./-])[01]?[0-9]\3[0-3]?[0-9]|97[89][ -]?[0-9 -]{10,14}"
)
"""Dates in groups, and ISBNs."""
_DECIMAL = re.compile(r"[0-9]+\.[0-9]+")
_ZIP = re.compile(r"[0-9]{5}-[0-9]{4}")

_TELEPHONES = vocabulary(
    "callback cell cellphone cellular celular celulares cellulare dial extension fax handy handynummer "
    "homephone hotline landline mob mobil mobile mobiles mobilnummer mobilephone movil móvil móviles "
    "msisdn pager ph phone phonenumber phones portable rufnummer sms switchboard tel telefax telefon "
    "telefone telefones telefono telefonos telefonnummer telefoonnummer telephone telephones teléfono "
    "teléfonos tf tlf tfno tél téléphone téléphones voicemail whatsapp workphone тел телефон"
)
_TELEPHONES_UNSPACED = re.compile("电话|電話|手机|手機|携帯|番号|전화|هاتف|فون|फ़ोन|फोन|โทร")
_ASKING = vocabulary(
    "answer answered answering appeler appelez anrufen call called calling calls chiamare chiamami "
    "contact contacted contacting dialed dialled dialling emergency line llama llamada llamar llame "
    "llamé messages message my his her your our their reach reached reaching registered ring text "
    "texted"
)
_ASKED = re.compile(
    r"(?<![^\W_])(?:call(?:ed|ing|s)?|llam(?:a|ada|ar|e|é)|appele[rz]|anrufen|chiama(?:re|mi)|reach(?:ed|ing)?|ring"
    r"|diall?(?:ed|ing)|text(?:ed)?|contact(?:ed|ing)?|answer(?:ed|ing)?|messages?|registered|emergency"
    r"|main line|(?:my|his|her|your|our|their)(?: [a-z]{2,12})? number)"
    r"(?:[ :]{1,2}(?:me|us|him|her|them|you|back|now|on|at|to|is|was|are|the|my|al|le|numbers?|no|manager"
    r"|office|line|desk|hotline|support|directly|urgently|or|and|[0-9()+.-]{3,20}))*[ :]{0,3}$"
)
"""A request to call that runs right up to the number."""
_PLACES = vocabulary("desk direct home office work")
_TELLING = _TELEPHONES | _ASKING | _PLACES
_OTHERWISE = vocabulary(
    "account acct amount birth bytes card case code col commit cost count created date dob duration "
    "epoch expires hash iban id ids imei index invoice ip isbn issue itin key lat latitude length lng "
    "lon longitude mac model offset order page part pid pin port postcode price product ref reference "
    "release request rev row score seconds seed seq sequence serial session size sku span ssn ticket "
    "time timestamp tin token tokens total trace tracking ts updated usd uuid ver version year zip "
    "zipcode"
)
_TIME = re.compile(r"1[0-9]{9}|(?:19|20)[0-9]{2}[01][0-9][0-3][0-9](?:[0-9]{6})?")
"""Seconds since 1970, and dates and times in digits."""
_SIGNS_AFTER = " ,(\\-"
_NAMED_AFTER = re.compile(r"[ ,(\\-]{1,3}(?:fax|mobile|cell|office|desk|phone|tel)(?![a-z_])(?! [a-z])")
_ELSEWHERE = re.compile(r".*[,;&{}\[\]\n|]", re.DOTALL)


def phone_at(text: str, start: int) -> Finding | None:
    """Return the telephone number that begins at *start* and shows by its grouping what it is."""
    before = text[start - 1 : start]
    if before == "+" or (before == "(" and text[start - 2 : start] == "+("):
        return _international(text, start)
    for pattern in _FORMS.get(text[start], ()) if before != "(" else (_AMERICAN, _TRUNK, _AREA):
        match = pattern.match(text, start)
        end = _bounded(match) if match else 0
        if end and (pattern in _SURE or _is_national(text[start:end], pattern)):
            return None if label(words_before(text, start)) in _OTHERWISE else _phone(text, start, end)
    return None


def named_phone_at(text: str, start: int, stop: int) -> Finding | None:
    """Return the telephone number that begins at *start*, before *stop*, in any grouping, if words say so."""
    if not _is_told(text, start, stop, words_before(text, start)):
        return None
    match = _ANY.match(text, start, stop)
    end = _bounded(match) if match else 0
    return _phone(text, start, end) if end and _is_plain(text[start:end]) else None


def bare_phone_at(text: str, start: int, end: int, words: list[str]) -> Finding | None:
    """Return the telephone number from *start* to *end*, ungrouped: after a +, or if *words* say so."""
    if text[start - 1 : start] == "+":
        return _international(text, start)
    return _phone(text, start, end) if _is_told(text, start, end, words) else None


def _international(text: str, start: int) -> Finding | None:
    match = _INTERNATIONAL.match(text, start)
    if match is None:
        return None
    end = _bounded(match, most=11 if text[start] == "1" else 15)
    number = text[start:end]
    if _DECIMAL.fullmatch(number) and len(number.partition(".")[2]) < 7:
        return None  # with a sign; in the form of RFC 5733 at least seven digits follow the dot
    digits = _count(number)
    if digits < 6 or (digits < 8 and not _is_told(text, start, end, words_before(text, start))):
        return None
    return _phone(text, start, end)


def _bounded(match: re.Match[str], most: int = 15) -> int:
    """Return where the number ends: whole groups, at most *most* digits, nothing glued behind; or 0."""
    text, (start, end) = match.string, match.span()
    while end > start:
        if (not _GLUED.match(text, end) or _EXTENSION.match(text, end)) and _count(text[start:end]) <= most:
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
        end += ")" not in text[start:end]
        start -= 1
    if text[start - 1 : start] == "+":
        start -= 1
    extension = _EXTENSION.match(text, end)
    return Finding("PHONE", "contact", start, extension.end() if extension else end)


def _is_plain(number: str) -> bool:
    return 7 <= _count(number) <= 15 and not (
        _DATE.fullmatch(number) or _DECIMAL.fullmatch(number) or _ZIP.fullmatch(number)
    )


def _is_national(number: str, form: re.Pattern[str]) -> bool:
    return _is_plain(number) and 9 <= _count(number) <= (11 if form is _TRUNK else 15)


def _is_told(text: str, start: int, end: int, words: list[str]) -> bool:
    """Return whether the words around the number say that it is a telephone number."""
    bare = text[start:end].isdigit()
    if not _TELLING.isdisjoint(words):
        if label(words) in _OTHERWISE:
            return False
        before = text[max(0, start - 48) : start].lower().rstrip(" \"'(+[\\")
        if before.endswith(("=", ":")):  # a key speaks for its own value only
            before = _ELSEWHERE.sub("", before)
            words = words_before(before, len(before))
            if not _PLACES.isdisjoint(words[-1:]) and end - start >= 9:
                return True
        if not _TELEPHONES.isdisjoint(words):
            return True
        if _ASKED.search(before):
            return not (bare and _TIME.fullmatch(text, start, end))
    elif words and not words[-1].isascii() and _TELEPHONES_UNSPACED.search(words[-1]):
        return True
    return (
        (not bare or end - start >= 9)
        and text[end : end + 1] in _SIGNS_AFTER
        and _NAMED_AFTER.match(text[end : end + 16].lower()) is not None
        and label(words) not in _OTHERWISE
    )


MATCHERS = (Matcher("email", find_emails, may_match=lambda look: "@" in look.text, needle="@"),)
