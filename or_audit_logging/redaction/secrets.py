"""Secrets without a vendor's form: signed tokens, private keys, headers, URLs, and whatever a name gives away.

    find_named('db_password = "…"')     -> the finding covers the value, not its name

A name counts by its last words (`api_key`, `userPassword`, `X-Auth-Token`), so that `prompt_tokens`,
`max_tokens`, `author`, `monkey` and `tokenizer` are left alone. After a password's name almost any value is
hidden; after `token` or `key` only one that does not look like a word, a number or a known id.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
import re
from collections.abc import Iterator

from or_audit_logging.redaction.finding import Finding, Look, Matcher
from or_audit_logging.redaction.tokens import LONG_RUN, ascii_lower, is_known_id, is_plain, long_runs
from or_audit_logging.redaction.vendors import FORMATS


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
        header = json.loads(base64.urlsafe_b64decode(encoded.rstrip("=") + "=" * (-len(encoded.rstrip("=")) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return False
    return isinstance(header, dict) and not header.keys().isdisjoint(("alg", "enc", "typ", "kid"))


def _may_be_jwt(look: Look) -> bool:
    return LONG_RUN in look.tokens and any(start in look.text for start in _JWT_STARTS)


# --- Private keys ----------------------------------------------------------------------------------------

_PEM_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|---- BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY ----")
_PEM_BODY = re.compile(r"(?:[A-Za-z0-9+/=:,.\s\\-](?!----)){0,16000}")
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
            tail = re.compile(r"(?: BLOCK)?[ -]{0,5}").match(text, end)
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
    return "BEGIN " in look.text or "Private-Lines: " in look.text


# --- URLs ------------------------------------------------------------------------------------------------

_AUTHORITY = re.compile(r"([^\s/?#\"'<>`\\@:]{0,256})(?::([^\s/?#\"'<>`\\]{1,512}))?@(?=[\w.\[{$-])")
_MOST_AUTHORITY = 800
_LOOSE_PASSWORD = re.compile(r"([^\s/:\"'<>`\\@]{0,256}):(?![0-9]{1,5}(?:[/?#\s]|$))([^\s\"'<>`\\@]{1,256})@(?=[\w.\[-])")


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
            if match[2] and not _MASKED.fullmatch(match[2]):
                yield _secret(*match.span(2))
            if len(match[1]) >= 16 and _looks_random(match[1], 16):
                yield _secret(*match.span(1))
        at = text.find("://", match.end() if match else at + 3)


def _may_hold_url_password(look: Look) -> bool:
    return "://" in look.text and "@" in look.text


# --- Names and values ------------------------------------------------------------------------------------

_WORD = re.compile(r"[A-Z]{2,40}(?![a-z])|[A-Z]?[a-z]{1,40}|[A-Z]|[0-9]{1,20}")

_PASSWORD_WORDS = frozenset(
    "password passwd passphrase passcode passwort pwd passw contrasena senha motdepasse kennwort userpass dbpass".split()
)
_SECRET_WORDS = frozenset("secret secrets token apikey apitoken apisecret pat jwt bearer credential credentials creds".split())
_SECRET_ENDINGS = (
    "password", "passwd", "passphrase", "passwort", "pwd",
    "secret", "token", "apikey", "accesskey", "secretkey", "privatekey", "authkey", "licensekey", "masterkey",
    "signingkey", "encryptionkey", "storagekey", "accountkey", "sharedkey", "clientkey", "appkey", "servicekey",
)  # fmt: skip
_KEY_BEFORE = frozenset(
    "api access secret private account subscription license signing encryption encrypt master shared auth client app "
    "application security service admin consumer storage project webhook deploy ssh gpg rest user bot server session "
    "function functions host connection instrumentation ingest write read crypt aes hmac rsa jwt cookie web developer dev "
    "prod live test sas primary secondary management provisioning data vault root personal customer integration".split()
)
_WEAK_WORDS = frozenset("key auth authorization session sess sessid sessionid sid pass pw sig signature code login cookie hash cert salt".split())
_NOT_SECRET = frozenset(
    "count counts limit limits size length len type types name names file filename path dir url uri endpoint host port "
    "expires expiry expiration ttl timeout usage used cost price budget rate rates index idx field fields policy "
    "version format algorithm alg class provider manager service store enabled required valid min max number num id ids "
    "kind mode status state header headers label labels title description desc hint strength length reset page form "
    "input prompt error errors message msg time date at by source regex pattern column table user username email "
    "level tokens tokenizer keyword keywords keyboard author authors authority authored".split()
)
_KEY_SPARED = frozenset("public pub foreign partition sort cache idempotency object routing group dedup index row map dict lookup unique primary s3 hot short shortcut keyboard arrow enter".split())

_KEYWORDS = ("pass", "pwd", "secret", "token", "key", "auth", "cred", "cookie", "bearer", "basic ")
_KEYWORDS_EQUALS = ("sess", "sid=", "sig", "code=", "jwt", "_pat", "pw=")
"""Looked for only where there is an equals sign."""

_MOST_NAME = 64
_MOST_VALUE = 1024

_OPERATOR = re.compile(
    r"""\\{0,4}["'`]?(?:\*\*|[\])]{0,2})                        # the name's closing quotation mark or bracket
    (?:\s{0,8}:[ ]?[A-Za-z][A-Za-z0-9_.\[\]|]{0,24}(?=\s{1,4}=)     # a type: `token: str =`
      |[ \t]{1,4}(?!is\b|was\b)[A-Za-z][A-Za-z0-9]{0,15}(?=[ \t]{1,4}=))?         # `var token string =`
    [ \t]{0,12}
    (?:(?P<op>(?:[:?.+|!=]{0,2}=>?|:(?!:)|=>|->)|%3[Dd]|\\u003[dD])(?:(?:\*\*)?[ \t]{0,12}(?:\r?\n\s{0,24}(?=["'`]))?))""",
    re.VERBOSE,
)
_ELEMENT = re.compile(r"(?:[ \t]{1,4}[^<>\r\n]{0,80})?>\s{0,16}")
_ARGUMENT = re.compile(r"""\\{0,4}["'`]\s{0,4},\s{0,16}(?=\\{0,4}["'`])""")
_PAIRED = re.compile(r"""\\{0,4}["'`]?[\s,]{1,16}\\{0,4}["']?[vV]alue\\{0,4}["']?\s{0,4}[:=]\s{0,4}""")
_CALL = re.compile(r"""\(\s{0,8}(?=\\{0,4}["'`])""")
_IS_NAME = re.compile(r"""\\{0,4}["'`]\s{0,4}:""")
_OPTION = re.compile(r"[ \t]{1,4}(?![-])")
_SAID = re.compile(
    r"""["'`]?(?:[ ](?:is|was|are|provided|of|used|for|with|to|as|set|value|named|this|the|your|my|here|follows|id|here's)){0,4}
    [ ]{0,2}[:=-]?[ \t]{1,4}["'`(<\[]?""",
    re.VERBOSE,
)

_OPEN = re.compile(r"(?:[rRbBuUfF@$]{1,2}(?=[\\\"'`]))?(\\{0,4})(\"{3}|'{3}|[\"'`])")
_BARE = re.compile(
    r"(?:[^\s\"'`<>\\]|\\(?![nrtbfu\"'\\]))[^\s\"'`<\\]{0,511}(?:\\(?![nrtbfu\"'\\])[^\s\"'`<\\]{0,511}){0,4}"
)
_LINK = r"[^\s\w\"'<>]{0,3}[A-Za-z_-]{1,40}[=:]"
_CHAIN = re.compile(rf"[A-Za-z_-]{{1,40}}[=:](?:{_LINK}){{2,400}}(?={_LINK})")
"""Names upon names: only the last may have a value."""
_CUT = re.compile(r"[,;&](?=$|\s|[{}\[\]()]|[A-Za-z_$][\w.$-]{0,40}[\"']?(?:=|:))")
_SCHEME = re.compile(
    r"(?i)(bearer|basic|token|api-?token|api-?key|apikey|digest|negotiate|ntlm|hawk|sso-key|key|hmac|aws4-hmac-sha256|splunk|oauth|dpop)(?:[ \t]{1,8}|%20|\+)"
)
_RUN_ON = frozenset(["digest", "hawk", "hmac", "aws4-hmac-sha256", "oauth"])

_MASKED_FORMS = r"""
    [*x.\u2022\u2026_#-]{1,200}                                        # ****, xxxx, ...
    |.{0,24}\[[A-Z_]{2,40}(?::[^\]\s]{0,80})?\].{0,8}                 # [SECRET], [API_KEY:k1:...]
    |<[^<>]{0,200}>|\{\{?[^{}]{0,200}\}?\}|\$\{.{0,200}|\$\(.{0,200}|\#\{.{0,200}|%\([A-Za-z_]{1,60}\)s?|%[sdr]|\{[0-9]*\}|@[A-Za-z]{1,20}@
    |\$[A-Z_][A-Z0-9_]{0,60}|\$[a-z_]{1,60}|%[A-Z_]{2,60}%
"""
_MASKED = re.compile(_MASKED_FORMS, re.VERBOSE | re.IGNORECASE)
_PLACEHOLDER = re.compile(
    _MASKED_FORMS
    + r"""
    |(?:my|your|the|an?|insert|enter|replace|change|put|example|dummy|fake|some|test|sample)[_ -].{0,80}
    |your(?:api|key|token|secret|password)\w{0,40}
    |none|null|nil|true|false|yes|no|on|off|empty|undefined|unset|string|str|text|bytes|int|integer|number|bool|boolean|object|any
    |required|optional|secret|token|key|password|passwd|pwd|pass|hidden|redacted|removed|masked|filtered|default|value|unknown|n/a|tbd|todo
    |(?:process\.)?env[.\[:].{0,80}|os\.(?:environ|getenv).{0,80}|getenv.{0,80}|vault:.{0,100}|secretref:.{0,100}|arn:.{0,200}|file:.{0,200}|ssm:.{0,80}
    |api[_-]?key|access[_-]?token|auth[_-]?token|client[_-]?secret|secret[_-]?key|user(?:name)?|basic|bearer|oauth2?|digest|session
    """,
    re.VERBOSE | re.IGNORECASE,
)
_LETTERS_ONLY = re.compile(r"[A-Za-z_][A-Za-z_.]{0,200}(?:->[A-Za-z_.]{1,80})?")
_PROSE = re.compile(r"[^\W\d_]{1,40}[,.:;!?]?(?:\s{1,2}[^\W\d_][\w'’-]{0,40}[,.:;!?]?){0,80}")
_ALPHA = re.compile(r"[A-Za-z]")
_DIGIT = re.compile(r"[0-9]")


def find_named(text: str) -> Iterator[Finding]:
    """Yield the values of names that announce a secret: in code, configuration, JSON, headers, queries, commands."""
    low = ascii_lower(text)
    tokens = long_runs(text)[0]
    resume = 0
    for hit in _hits(low):
        if hit < resume or _OTHER_WORDS.match(low, hit):
            continue
        start = tokens.rfind(b" ", max(0, hit - _MOST_NAME), hit) + 1
        end = tokens.find(b" ", hit)
        end = len(text) if end < 0 else end
        resume = end
        if end - start > _MOST_NAME or (start == 0 and hit > _MOST_NAME):
            continue
        after = text[end : end + 1]
        if after in _NO_VALUE or after == " " and text[start] != "-" and not _NEAR.search(text, end, end + 50):
            continue
        if text[start - 1 : start] == "\\" and text[start] in "nrt":
            start += 1
        if after in ("=", ":"):
            chain = _CHAIN.match(text, start)
            if chain:
                resume = chain.end()
                continue
        yielded = _value(text, low, start, end)
        if yielded:
            yield yielded
            resume = yielded.end


_OTHER_WORDS = re.compile(r"tokens|tokeni|author(?!i[sz])|key(?:board|word|note|stone|frame)|pass(?:e[dns]|a|i[nov])|credit|secretar|sign(?!a|_)|sigh|sess(?!i|_|=)")
_NO_VALUE = frozenset(["", ".", ";", "!", "/", "|", "@", "&", "+", "~", "^", "#"])
_NEAR = re.compile(r"[=:0-9]|(?<=\bpassword) [a-z]|(?<=<password)")


def _hits(low: str) -> list[int]:
    hits: list[int] = []
    words = _KEYWORDS + _KEYWORDS_EQUALS if "=" in low else _KEYWORDS
    for word in words:
        at = low.find(word)
        while at >= 0:
            hits.append(at)
            at = low.find(word, at + len(word))
    hits.sort()
    return hits


def _value(text: str, low: str, start: int, end: int) -> Finding | None:
    """Return the secret that the name text[start:end] announces, if there is one."""
    name = low[start:end].strip("-_")
    if name in ("bearer", "basic"):
        return _schemed(text, start)
    if name in _COOKIES:
        return _cookie(text, end, name)
    rank = _rank(text, start, end)
    if rank is None:
        return None
    operator = _OPERATOR.match(text, end)
    if operator:
        found = _after_operator(text, start, operator, name, rank)
    else:
        found = _elsewhere(text, start, end, rank) if rank != "weak" else None
    if not found:
        return None
    vendor = _vendor(low[max(0, start - 16) : end])
    return Finding("API_KEY", "credential", *found, vendor) if vendor and rank == "token" else _secret(*found)


def _rank(text: str, start: int, end: int) -> str | None:
    """Return what the name says of its value: password, token, weak, or None for nothing."""
    rank = _rank_of(text[start:end])
    if rank == "key":
        before = _word_before(text, start) if text[max(0, start - 1) : start] == " " else ""
        return None if before in _KEY_SPARED else "token" if before in _KEY_BEFORE else "weak"
    return rank


@functools.lru_cache(maxsize=2048)
def _rank_of(name: str) -> str | None:
    words = [word.lower() for word in _WORD.findall(name)]
    while words and (words[-1].isdigit() or words[-1] in _TRAILERS):
        words.pop()
    if not words:
        return None
    last = words[-1]
    before = words[-2] if len(words) > 1 else ""
    if last in _PASSWORD_WORDS or last.endswith(_SECRET_ENDINGS[:5]) or (last in ("pass", "pw") and before):
        return "password"
    if last in _SECRET_WORDS or last.endswith(_SECRET_ENDINGS) and last not in _NOT_SECRET:
        return "token"
    if last == "key":
        if not before:
            return "key"
        if before in _KEY_SPARED:
            return None
        return "token" if before in _KEY_BEFORE or before in _VENDOR_NAMES or len(words) > 2 else "weak"
    if last in _NOT_SECRET:
        return None
    if last in ("authorization", "sig", "signature"):
        return "token"
    if last in _WEAK_WORDS or last.endswith(("sessid", "sessionid")):
        return "weak"
    return "weak" if any(word in _PASSWORD_WORDS or word in _SECRET_WORDS for word in words) else None


_TRAILERS = frozenset("base value val str string text raw plain confirmation confirm hash b64 base64 encoded encrypted old new prod dev test live v".split())


def _word_before(text: str, start: int) -> str:
    words = _WORD.findall(text[max(0, start - 20) : start])
    return words[-1].lower() if words else ""


def _after_operator(
    text: str, start: int, operator: re.Match[str], name: str, rank: str
) -> tuple[int, int] | None:
    at = operator.end()
    scheme = _SCHEME.match(text, at) if rank != "password" else None
    opened = _OPEN.match(text, at)
    if opened:
        inside = opened.end()
        scheme = _SCHEME.match(text, inside)
        stop = _closing(text, inside, opened[1] + opened[2])
        if stop is not None:
            if scheme and scheme.end() < stop and name.endswith("authorization"):
                inside = scheme.end()
            return (inside, stop) if _is_secret(text[inside:stop], rank, quoted=True) else None
        at = inside
    if scheme and name.endswith("authorization"):
        return _rest_of_header(text, scheme)
    spaced = text[at - 1 : at].isspace()
    query = text[start - 1 : start] in ("?", "&") or text[start - 5 : start] == "&amp;"
    return _bare(text, at, rank, spaced=spaced, query=query)


def _rest_of_header(text: str, scheme: re.Match[str]) -> tuple[int, int] | None:
    at = scheme.end()
    if scheme[1].lower() in _RUN_ON:
        rest = re.compile(r"[^\r\n\\]{4,2000}").match(text, at)
        return rest.span() if rest else None
    return _bare(text, at, "header", spaced=False, query=False)


def _bare(text: str, at: int, rank: str, *, spaced: bool, query: bool) -> tuple[int, int] | None:
    """Return the span of the unquoted value at *at*, if it is a secret."""
    match = _BARE.match(text, at)
    if not match:
        return None
    stop = match.end()
    if query:
        cut = re.compile(r"[&#;,)\]]").search(text, at, stop)
    else:
        cut = _CUT.search(text, at, stop)
    if cut:
        stop = cut.start()
    while stop > at and text[stop - 1] in ",;" or (stop - at > 4 and text[stop - 1] in ").]}" and not _balanced(text[at:stop])):
        stop -= 1
    value = text[at:stop]
    if _LETTERS_ONLY.fullmatch(value):
        if rank not in ("password", "header") or text[stop : stop + 1] in ("(", "[", ".", ")"):
            return None
        if spaced and not (text[stop : stop + 1] in ("", "\n", "\r") and value.islower()):
            return None
        if any(word in value.lower() for word in ("pass", "token", "secret", "key", "self.", "config", "args", "input", "env")):
            return None
        if rank == "header" and len(value) < 16:
            return None
        if "." in value:
            return None
    elif _CODE.match(value):
        return None
    return (at, stop) if _is_secret(value, rank, quoted=False) else None


_CODE = re.compile(r"[A-Za-z_][A-Za-z_.]{0,80}(?:[(\[{]|[A-Za-z0-9_.]{0,80}\()")


def _balanced(value: str) -> bool:
    closing = value[-1]
    if closing == ".":
        return False
    return value.count({")": "(", "]": "[", "}": "{"}[closing]) >= value.count(closing)


def _closing(text: str, at: int, mark: str) -> int | None:
    """Return where the quotation that begins at *at* ends, None where it does not."""
    most = at + _MOST_VALUE
    stop = text.find(mark, at, most)
    while stop > at and mark in ('"', "'") and text[stop - 1] == "\\":
        stop = text.find(mark, stop + 1, most)
    return stop if stop >= 0 else None


def _elsewhere(text: str, start: int, end: int, rank: str) -> tuple[int, int] | None:
    """Return the secret after a name without operator: in an element, a call, an option, a sentence."""
    after = text[end : end + 1]
    if after == ">" or after == " " and text[start - 1 : start] == "<":
        match = _ELEMENT.match(text, end)
        stop = text.find("<", match.end(), match.end() + _MOST_VALUE) if match else -1
        if match and stop > 0:
            value = text[match.end() : stop].rstrip()
            if _is_secret(value, rank, quoted=True):
                return match.end(), match.end() + len(value)
        return None
    if after == "(":
        match = _CALL.match(text, end)
        opened = _OPEN.match(text, match.end()) if match else None
        stop_at = _closing(text, opened.end(), opened[1] + opened[2]) if opened else None
        if opened and stop_at:
            value = text[opened.end() : stop_at]
            if _DIGIT.search(value) and not any(c.isspace() for c in value) and _is_secret(value, rank, quoted=True):
                return opened.end(), stop_at
        return None
    for pattern in (_ARGUMENT, _PAIRED):
        match = pattern.match(text, end)
        if match:
            opened = _OPEN.match(text, match.end())
            if opened:
                stop_at = _closing(text, opened.end(), opened[1] + opened[2])
                if not stop_at or _IS_NAME.match(text, stop_at):
                    return None
                value = text[opened.end() : stop_at]
                return (opened.end(), stop_at) if _is_secret(value, rank, quoted=True) else None
            return _bare(text, match.end(), rank, spaced=True, query=False)
    if text[start] == "-" or text[start - 1 : start] == "-":
        match = _OPTION.match(text, end)
        if match:
            opened = _OPEN.match(text, match.end())
            if opened:
                stop_at = _closing(text, opened.end(), opened[1] + opened[2])
                if stop_at and _is_secret(text[opened.end() : stop_at], rank, quoted=True):
                    return opened.end(), stop_at
                return None
            return _bare(text, match.end(), rank, spaced=True, query=False)
    match = _SAID.match(text, end)
    if match:
        value_match = _BARE.match(text, match.end())
        if value_match:
            value = value_match[0].rstrip(".,;:)]}" if rank == "password" else ".,;:!?)]}")
            if rank == "password" and _follows_login(text, start) and not _is_placeholder(value):
                return match.end(), match.end() + len(value)
            if len(value) >= (8 if rank == "password" else 12) and _is_said(value):
                return match.end(), match.end() + len(value)
    return None


def _is_said(value: str) -> bool:
    return bool(_DIGIT.search(value)) and _looks_random(value, 8) and not is_plain(value) and not _is_placeholder(value)


def _follows_login(text: str, start: int) -> bool:
    """Return whether `password` at *start* stands in a .netrc entry: machine …, login …, password …."""
    return re.search(r"\blogin\s{1,8}\S{1,120}\s{1,8}$", text[max(0, start - 140) : start]) is not None


def _is_secret(value: str, rank: str, *, quoted: bool) -> bool:
    if len(value) < 4 or (len(value) > 128 and not _DIGIT.search(value)) or _is_placeholder(value):
        return False
    if rank == "header":
        return True
    if rank == "password":
        if any(c.isspace() for c in value):
            return quoted and not _PROSE.fullmatch(value) and value.count(" ") <= 6
        return quoted or not (value.isdigit() and len(value) < 4)
    if any(c.isspace() for c in value) or "://" in value:
        return False
    if rank == "token":
        return _looks_random(value, 8)
    return len(value) >= 16 and _looks_random(value, 16) and (not is_known_id(value) or _HEX_KEY.fullmatch(value) is not None)


_HEX_KEY = re.compile(r"[0-9a-f]{32,128}|[0-9A-F]{32,128}")


def _is_placeholder(value: str) -> bool:
    return _PLACEHOLDER.fullmatch(value) is not None


_SPARED_IDS = re.compile(r"(?:gen|chatcmpl|cmpl|msg|resp|call|toolu|run|thread|asst|req|file|batch)[-_][A-Za-z0-9_-]{8,80}")


def _looks_random(value: str, least: int) -> bool:
    """Return whether *value*, of at least *least* characters, is neither a word nor a number nor made of such."""
    if len(value) < least:
        return False
    letters, digits = _ALPHA.search(value), _DIGIT.search(value)
    if not letters:
        return bool(digits) and len(value) >= 15 and value.isdigit()
    if digits:
        return not (is_plain(value) and not _dense(value)) and not _SPARED_IDS.fullmatch(value)
    if _LETTERS_ONLY.fullmatch(value.replace("-", "_")):
        return _is_letter_noise(value)
    return len(value) <= 128 and len(_SIGNS.findall(value)) >= 3


_SIGNS = re.compile(r"[^A-Za-z0-9_.,:/ -]")


def _dense(value: str) -> bool:
    """Return whether letters and digits that could pass for words change too often for that."""
    return len(value) >= 16 and len(re.findall(r"[0-9]{1,20}", value)) >= 4 and not re.search(r"[-_./:]", value)


def _is_letter_noise(value: str) -> bool:
    plain = value.replace("_", "").replace("-", "")
    if len(plain) < 16 or "." in value:
        return False
    changes = len(re.findall(r"[a-z](?=[A-Z])|[A-Z](?=[a-z])", plain))
    if changes * 3 >= len(plain):
        return True
    vowels = len(re.findall(r"(?i)[aeiouy]", plain))
    return len(plain) >= 20 and vowels * 5 < len(plain)


_VENDOR_NAMES = frozenset(row.vendor for row in FORMATS) | {
    "mistral", "cohere", "deepseek", "azure", "heroku", "datadog", "algolia", "okta", "auth0", "deepgram", "assemblyai",
}  # fmt: skip
_LONG_VENDOR_NAMES = tuple(sorted(name for name in _VENDOR_NAMES if len(name) >= 5))


def _vendor(name: str) -> str | None:
    """Return the vendor that *name* (in lower case) begins with or holds, if any."""
    for vendor in _LONG_VENDOR_NAMES:
        if vendor in name:
            return vendor
    first = re.split(r"[^a-z0-9]", name)
    return next((word for word in first if word in _VENDOR_NAMES and len(word) >= 3), None)


# --- Headers ---------------------------------------------------------------------------------------------

_SCHEMED = re.compile(r"(?i)(bearer|basic)(?:[ \t]{1,8}|%20)([A-Za-z0-9._~+/=|:-]{8,4000})")
_COOKIES = frozenset(["cookie", "set-cookie", "cookies", "set_cookie", "http_cookie"])
_COOKIE_VALUE = re.compile(r"""(\\{0,4})["']?\]?[ \t]{0,4}[:=][ \t]{0,4}(?:\\{0,4}["'])?([A-Za-z0-9_.$%!~*-]{1,80}=[^\r\n"'\\]{2,4000})""")
_SET_COOKIE_VALUE = re.compile(r"[^;\r\n\"'\\]{1,4000}")


def _schemed(text: str, start: int) -> Finding | None:
    match = _SCHEMED.match(text, start)
    if not match or _is_placeholder(match[2]):
        return None
    value = match[2].rstrip(".:")
    if match[1].lower() == "basic":
        good = _is_basic(value)
    else:
        good = bool(_DIGIT.search(value)) and not is_plain(value) or _is_letter_noise(value) or _dense(value)
    return _secret(match.start(2), match.start(2) + len(value)) if good else None


def _is_basic(value: str) -> bool:
    """Return whether *value* is the base64 of user:password (RFC 7617)."""
    try:
        return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (ValueError, binascii.Error):
        return False


def _cookie(text: str, end: int, name: str) -> Finding | None:
    match = _COOKIE_VALUE.match(text, end)
    if not match or _is_placeholder(match[2]):
        return None
    if name.startswith("set"):
        first = _SET_COOKIE_VALUE.match(text, match.start(2))
        return _secret(*first.span()) if first else None
    return _secret(match.start(2), match.start(2) + len(match[2].rstrip()))


# --- curl ------------------------------------------------------------------------------------------------

_CURL_USER = re.compile(r"""(?:\s|^)(?:-u|--user|--proxy-user)[ =]{1,4}["']?([^\s"':]{0,120})["']?:["']?([^\s"']{1,200})""")


def find_curl_users(text: str) -> Iterator[Finding]:
    """Yield the password of `curl --user name:password`."""
    at = text.find("curl")
    if at >= 0:
        for match in _CURL_USER.finditer(text, at):
            if not _is_placeholder(match[2]):
                yield _secret(*match.span(2))
            elif _looks_random(match[1], 12):
                yield _secret(*match.span(1))


def _may_be_named(look: Look) -> bool:
    low = look.lower
    for word in _KEYWORDS:
        if word in low:
            return True
    return "=" in low and any(word in low for word in _KEYWORDS_EQUALS)


MATCHERS: tuple[Matcher, ...] = (
    Matcher("jwt", find_jwts, _may_be_jwt, "eyJ|eyA|ewo|ew0"),
    Matcher("private_key", find_private_keys, _may_hold_private_key, r"BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY|Private-Lines: "),
    Matcher("url_password", find_url_passwords, _may_hold_url_password, r"://[^\s/]{0,800}@|://[^\s@]{1,600}@"),
    Matcher("curl_user", find_curl_users, lambda look: "curl" in look.text, "curl"),
    Matcher("named_secret", find_named, _may_be_named, "(?i:" + "|".join(_KEYWORDS + _KEYWORDS_EQUALS) + ")"),
)
