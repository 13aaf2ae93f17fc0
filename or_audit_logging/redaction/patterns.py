"""What is looked for in text: a cheap gate, a bounded pattern and a check for each kind.

Every repeat is bounded and no pattern nests quantifiers, so time grows linearly with the text. A gate is a
test that is false only where its pattern cannot match. Patterns follow the formats that standards and
providers publish: E.164 and the North American plan for telephone numbers, ISO/IEC 7812 for cards,
ISO 13616 for IBANs, RFC 7519 for JWTs, and the vendors' own key prefixes.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator

from or_audit_logging.redaction.finding import Finding

Find = Callable[[str], Iterator[Finding]]

_DIGITS = re.compile(r"\d{3}")

_EMAIL = re.compile(
    r"(?<![\w.+%'-])[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[^\W_](?:[\w-]{0,62})\.){1,8}[^\W\d_][\w-]{1,23}(?![\w-])"
)
_PICTURES = frozenset(["gif", "jpeg", "jpg", "png", "svg", "webp"])
_PHONE = re.compile(
    r"(?<![\w.+-])(?:"
    r"\+[1-9]\d{0,2}(?:[ .\-\u00a0\u2010-\u2013/]?\(?\d{1,5}\)?){2,6}"
    r"|(?:1[ -])?\([2-9]\d{2}\)[ -]?\d{3}[ .-]\d{4}"
    r"|(?:1[ -])?[2-9]\d{2}([ -])[2-9]\d{2}\1\d{4}"
    r")(?![\w-])"
)
_SSN = re.compile(r"(?<![\w.-])(\d{3})([- ])(\d{2})\2(\d{4})(?![\w-])")
_CARD = re.compile(r"(?<![\w.-])[2-6](?:[ \u00a0-]?\d){12,18}(?![\w-])")
_IBAN = re.compile(r"(?<![\w-])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![\w-])")
_IPV4 = re.compile(r"(?<![\w.-])(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,2})?(?![\w.-]*\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])")

_JWT = re.compile(r"(?<![\w-])eyJ[\w-]{8,2000}\.eyJ[\w-]{8,8000}\.[\w-]{8,2000}")
_BEARER = re.compile(r"(?i)(?<![\w-])(?:bearer|basic)[ \t]{1,4}([A-Za-z0-9._~+/=-]{8,8000})")
_HEADER = re.compile(
    r"(?i)(?<![\w-])(?:set-cookie|cookie|authorization|x-api-key)[ \t]{0,4}:[ \t]{0,4}([^\s][^\r\n]{3,4000})"
)
_PEM = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----"
    r"(?:[A-Za-z0-9+/=\s:,\\]|-(?!----)){0,12000}(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?"
)
_URL_PASSWORD = re.compile(r"(?<=://)[^\s/:@]{0,128}:([^\s]{1,256})@(?=[\w.\[-])")
_NAMED = re.compile(
    r"(?i)(?:password|passwd|passphrase|api[_-]?key|access[_-]?key|private[_-]?key|secret(?:[_-]?access)?(?:[_-]?key)?"
    r"|(?<![a-z_-])token|(?:access|refresh|id|auth|session|bearer|client)[_-]?(?:token|secret))"
    r"\\{0,4}[\"']?[ \t]{0,4}(?:=>|=|:)[ \t]{0,4}"
    r"(?:\\{0,4}\"([^\"\r\n]{4,512}?)\\{0,4}\"|'([^'\r\n]{4,512})'|([^\s\"',;&]{6,512}))"
)

_KEYS: tuple[tuple[str, str, str], ...] = (
    ("openrouter", "sk-or-", r"sk-or-(?:v\d-)?[A-Za-z0-9_-]{6,200}"),
    ("anthropic", "sk-ant-", r"sk-ant-[A-Za-z0-9_-]{16,200}"),
    ("openai", "sk-", r"sk-(?!or-|ant-)[A-Za-z0-9_-]{20,220}"),
    ("google", "AIza", r"AIza[A-Za-z0-9_-]{35}"),
    ("xai", "xai-", r"xai-[A-Za-z0-9]{40,120}"),
    ("groq", "gsk_", r"gsk_[A-Za-z0-9]{40,80}"),
    ("huggingface", "hf_", r"hf_[A-Za-z0-9]{30,60}"),
    ("perplexity", "pplx-", r"pplx-[A-Za-z0-9]{32,80}"),
    ("replicate", "r8_", r"r8_[A-Za-z0-9]{36,48}"),
    ("langsmith", "lsv2_", r"lsv2_(?:pt|sk)_[A-Za-z0-9_]{32,80}"),
)
_SECRETS: tuple[tuple[str, str, str], ...] = (
    ("aws", "A", r"(?:AKIA|ASIA)[A-Z0-9]{16}"),
    ("github", "gh", r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    ("github", "github_pat_", r"github_pat_[A-Za-z0-9_]{60,255}"),
    ("gitlab", "glpat-", r"glpat-[A-Za-z0-9_-]{20,64}"),
    ("slack", "xox", r"xox[abeoprs]-[A-Za-z0-9-]{10,250}"),
    ("stripe", "_live_", r"(?:sk|rk)_live_[A-Za-z0-9]{16,200}"),
    ("sendgrid", "SG.", r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}"),
    ("npm", "npm_", r"npm_[A-Za-z0-9]{36}"),
    ("pypi", "pypi-", r"pypi-[A-Za-z0-9_-]{50,300}"),
)


def _emails(text: str) -> Iterator[Finding]:
    if "@" in text:
        for match in _EMAIL.finditer(text):
            if match[0].rpartition(".")[2].lower() in _PICTURES:
                continue  # logo@2x.png
            yield Finding("EMAIL", "contact", *match.span())


def _phones(text: str) -> Iterator[Finding]:
    if _DIGITS.search(text):
        for match in _PHONE.finditer(text):
            if 8 <= sum(c.isdigit() for c in match[0]) <= 15:
                yield Finding("PHONE", "contact", *match.span())


def _ssns(text: str) -> Iterator[Finding]:
    if _DIGITS.search(text):
        for match in _SSN.finditer(text):
            area, _, group, serial = match.groups()
            if area not in ("000", "666") and area < "900" and group != "00" and serial != "0000":
                yield Finding("SSN", "government", *match.span())


def _cards(text: str) -> Iterator[Finding]:
    if _DIGITS.search(text):
        for match in _CARD.finditer(text):
            if luhn("".join(c for c in match[0] if c.isdigit())):
                yield Finding("CARD", "financial", *match.span())


def _ibans(text: str) -> Iterator[Finding]:
    for match in _IBAN.finditer(text):
        if iban_checks(match[0].replace(" ", "")):
            yield Finding("IBAN", "financial", *match.span())


def _addresses(text: str) -> Iterator[Finding]:
    if "." in text:
        for match in _IPV4.finditer(text):
            if all(int(part) < 256 for part in match[0].split("/")[0].split(".")):
                yield Finding("IP_ADDRESS", "network", *match.span())
    if ":" in text:
        for match in _IPV6.finditer(text):
            if sum(bool(group) for group in match[0].split(":")) >= 3 and _is_ipv6(match[0]):
                yield Finding("IP_ADDRESS", "network", *match.span())


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _secrets(text: str) -> Iterator[Finding]:
    for pattern, hint in ((_JWT, "eyJ"), (_PEM, "PRIVATE KEY")):
        if hint in text:
            for match in pattern.finditer(text):
                yield Finding("SECRET", "credential", *match.span())
    for pattern in (_BEARER, _HEADER):
        for match in pattern.finditer(text):
            yield Finding("SECRET", "credential", *match.span(1))
    if "://" in text:
        for match in _URL_PASSWORD.finditer(text):
            yield Finding("SECRET", "credential", *match.span(1))
    if "=" in text or ":" in text:
        for match in _NAMED.finditer(text):
            yield Finding("SECRET", "credential", *match.span(match.lastindex or 0))


def _prefixed(kind: str, vendor: str, hint: str, pattern: str) -> Find:
    compiled = re.compile(rf"(?<![A-Za-z0-9]){pattern}")

    def find(text: str) -> Iterator[Finding]:
        if hint in text:
            for match in compiled.finditer(text):
                yield Finding(kind, "credential", *match.span(), vendor)

    return find


def luhn(digits: str) -> bool:
    """Return whether *digits* end in the check digit of ISO/IEC 7812-1, annex B."""
    total = sum(int(d) for d in digits[-1::-2])
    return (total + sum(sum(divmod(2 * int(d), 10)) for d in digits[-2::-2])) % 10 == 0


def iban_checks(iban: str) -> bool:
    """Return whether *iban* (no spaces) has a possible length and the check digits of ISO 13616."""
    if not 15 <= len(iban) <= 34:
        return False
    return int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97 == 1


FINDERS: tuple[Find, ...] = (
    *(_prefixed("API_KEY", *row) for row in _KEYS),
    *(_prefixed("SECRET", *row) for row in _SECRETS),
    _secrets,
    _ibans,
    _cards,
    _emails,
    _ssns,
    _addresses,
    _phones,
)
"""In order of priority: where findings overlap, the earlier kind names the whole."""
