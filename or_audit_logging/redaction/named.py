"""Secrets that a name before them gives away: in code, configuration, headers, queries, commands, sentences.

    find('db_password = "…"')       -> the finding covers the value, not its name

After the name of a password, a secret or an API key almost any value is hidden; after `token=` one of eight
characters that is no ordinary word for a token; after other names only one that does not look like a word, a
number or a known id. Reading resumes after what was found.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from or_audit_logging.redaction.candidates import (
    CODE,
    DIGIT,
    LETTERS_ONLY,
    is_dense,
    is_letter_noise,
    is_placeholder,
    is_said,
    is_secret,
)
from or_audit_logging.redaction.finding import Finding, Look, ascii_lower, tokens_of
from or_audit_logging.redaction.names import rank as rank_of
from or_audit_logging.redaction.names import vendor_of
from or_audit_logging.redaction.tokens import is_known_id, is_plain

_CERTAIN = ("secret", "apikey", "apitoken", "accesskey", "secretkey", "privatekey")
"""How names end, but for punctuation, whose values are secrets whatever they look like."""
_TOKENS = frozenset([
    "token", "authtoken", "accesstoken", "apitoken", "refreshtoken", "idtoken", "bearertoken", "sessiontoken",
    "usertoken", "bottoken", "logintoken", "resettoken", "invitetoken", "clienttoken", "deploytoken", "jwt",
    "githubtoken", "gitlabtoken", "slacktoken", "npmtoken", "csrftoken", "xsrftoken", "oauthtoken",
])  # fmt: skip
_OF_TOKENS = re.compile(
    r"(?i)(?:required|optional|expired|invalid|missing|provided|rejected|accepted|verified|validated|generated|revoked"
    r"|received|undefined|anonymous|available|unavailable|placeholder|response|disabled|enabled|identifier|operator"
    r"|whitespace|separator|punctuation|unchanged|refreshed|rotated|unlimited|continue|position|sequence|semicolon"
    r"|authorization|authentication|function|variable|delimiter|endoftext|tokenizer|unauthorized|forbidden|malformed|not[_-]?found|in[_-]?use"
    r"|\w{0,40}(?:pass|token|secret|key|config|args|input|env)\w{0,40})"
)
"""What is said of a token, or what a parser's is."""
_TIGHT = frozenset(["=", "%3d", "\\u003d"])
_DIRECTORY = re.compile(r"~?/|[A-Za-z]:[\\/]")
_ATTRIBUTE = re.compile(
    r"(?:self|this|args|config|cfg|conf|settings|options|opts|env|environ|os|process|req|request|res|response|user|props"
    r"|params|ctx|context|form|data|event|app|db|\w{0,40}(?:pass|token|secret|key|config|args)\w{0,40})\."
)

_KEYWORDS = ("pass", "pwd", "secret", "token", "key", "auth", "cred", "cookie", "bearer", "basic ")
_KEYWORDS_EQUALS = ("sess", "sid=", "sig", "code=", "jwt", "_pat", "pw=")
"""Looked for only where there is an equals sign."""

Span = tuple[int, int]

_MOST_NAME = 64
_MOST_VALUE = 1024
_MOST_CALL = 200

_OPERATOR = re.compile(
    r"""\\{0,4}["'`]?(?:\*\*|[\])]{0,2})                        # the name's closing quotation mark or bracket
    (?:\s{0,8}:[ ]?[A-Za-z][A-Za-z0-9_.\[\]|]{0,24}(?=\s{1,4}=)     # a type: `token: str =`
      |[ \t]{1,4}(?!is\b|was\b)[A-Za-z][A-Za-z0-9]{0,15}(?=[ \t]{1,4}=))?         # `var token string =`
    [ \t]{0,12}
    (?:[:?.+|!=]{0,2}=>?|:(?!:)|=>|->|%3[Dd]|\\u003[dD])
    (?:(?:\*\*)?[ \t]{0,12}(?:\r?\n\s{0,24}(?=["'`]))?)""",
    re.VERBOSE,
)
_ELEMENT = re.compile(r"(?:[ \t]{1,4}[^<>\r\n]{0,80})?>\s{0,16}")
_ARGUMENT = re.compile(r"""\\{0,4}["'`]\s{0,4},\s{0,16}(?=\\{0,4}["'`])""")
_PAIRED = re.compile(r"""\\{0,4}["'`]?[\s,]{1,16}\\{0,4}["']?[vV]alue\\{0,4}["']?\s{0,4}[:=]\s{0,4}""")
_CALL = re.compile(r"""\(\s{0,8}(?=\\{0,4}["'`])""")
_IS_NAME = re.compile(r"""\\{0,4}["'`]\s{0,4}:""")
_OPTION = re.compile(r"[ \t]{1,4}(?![-])")
_SAID = re.compile(
    r"""["'`]?(?:[ ](?:is|was|are|provided|of|used|for|with|to|as|set|value|named|this|the|your|my|id)){0,4}
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
_QUERY_CUT = re.compile(r"[&#;,)\]]")
_SCHEME = re.compile(
    r"(?i)(bearer|basic|token|api-?token|api-?key|digest|negotiate|ntlm|hawk|sso-key|key|hmac|aws4-hmac-sha256"
    r"|splunk|oauth|dpop)(?:[ \t]{1,8}|%20|\+)"
)
_RUN_ON = frozenset(["digest", "hawk", "hmac", "aws4-hmac-sha256", "oauth"])
_SCHEMED = re.compile(r"(?i)(bearer|basic)(?:[ \t]{1,8}|%20)([A-Za-z0-9._~+/=|:-]{8,4000})")
_COOKIES = frozenset(["cookie", "set-cookie", "cookies", "set_cookie", "http_cookie"])
_COOKIE_VALUE = re.compile(
    r"""(?:\\{0,4}["']?\]?[ \t]{0,4}[:=][ \t]{0,4}(?:\\{0,4}["'])?"""
    r"""|\\{0,4}["'][ \t]{0,4},[ \t]{0,4}b?\\{0,4}["'])"""  # a pair: (b'cookie', b'a=b')
    r"""([A-Za-z0-9_.$%!~*-]{1,80}=[^\r\n"'\\]{2,4000})"""
)
_SET_COOKIE_VALUE = re.compile(r"[^;\r\n\"'\\]{1,4000}")


def _secret(start: int, end: int) -> Finding:
    return Finding("SECRET", "credential", start, end)


def find(text: str) -> Iterator[Finding]:
    """Yield what stands after the names that announce a secret."""
    low = ascii_lower(text)
    hits = [hit for hit in _hits(low) if not _OTHER_WORDS.match(low, hit)]
    tokens = tokens_of(text) if hits else b""
    resume = 0
    for hit in hits:
        if hit < resume:
            continue
        start = tokens.rfind(b" ", max(0, hit - _MOST_NAME), hit) + 1
        end = tokens.find(b" ", hit)
        end = len(text) if end < 0 else end
        resume = end
        if end - start > _MOST_NAME or (start == 0 and hit > _MOST_NAME):
            continue
        after = text[end : end + 1]
        if after in _NO_VALUE or (
            after == " " and text[start] != "-" and low[hit] != "b" and not _NEAR.search(text, end, end + 50)
        ):
            continue
        if text[start - 1 : start] == "\\" and text[start] in "nrt":
            start += 1
        if text[start - 1 : start] == "[" and _REDACTED.match(text, start - 1):
            continue
        if after in ("=", ":"):
            chain = _CHAIN.match(text, start)
            if chain:
                resume = chain.end()
                continue
        yielded = _value(text, low, start, end)
        if yielded:
            yield yielded
            resume = yielded.end


_OTHER_WORDS = re.compile(
    r"tokens|tokeni|author(?!i[sz])|key(?:board|word|note|stone|frame)|pass(?:e[dns]|a|i[nov])"
    r"|credit|secretar|sign(?!a|_)|sigh|sess(?!i|_|=)"
)
_OF_CODE = re.compile(r"(?i)pass|token|secret|key|self\.|config|args|input|env")
"""What a variable is called rather than a value."""
_IS_REPLACED = re.compile(r"\[[A-Z][A-Z_]{1,39}\](?=[,;&\s]|\Z)")
"""All of a value is a placeholder, as when redacted text is read again."""
_REDACTED = re.compile(r"\[[A-Z_]{2,40}:[^\]\s]{1,80}\]")
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
    rank = rank_of(text, start, end)
    if rank is None:
        return None
    operator = _OPERATOR.match(text, end)
    if operator:
        if _IS_REPLACED.match(text, operator.end()):
            return None
        found = _after_operator(text, start, operator, name, rank)
    else:
        found = _elsewhere(text, start, end, rank) if rank != "weak" else None
    if not found:
        return None
    vendor = vendor_of(low[max(0, start - 16) : end]) if rank == "token" else None
    return Finding("API_KEY", "credential", *found, vendor) if vendor else _secret(*found)


def _after_operator(text: str, start: int, operator: re.Match[str], name: str, rank: str) -> Span | None:
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
            value = text[inside:stop]
            if is_secret(value, rank, quoted=True) or (_is_certain(name, rank) and _is_any(value)):
                return inside, stop
            return None
        at = inside
    if scheme and name.endswith("authorization"):
        return _rest_of_header(text, scheme)
    spaced = text[at - 1 : at].isspace()
    query = text[start - 1 : start] in ("?", "&") or text[start - 5 : start] == "&amp;"
    if text[at : at + 1] in ("[", "{") and operator[0][0] in "\"'\\":
        return None  # a list or an object in JSON
    if name in ("pwd", "oldpwd") and _DIRECTORY.match(text, at):
        return None
    span = _bare_span(text, at, query=query)
    found = _bare(text, span, rank, spaced=spaced)
    if not found and not opened and operator[0].lower() in _TIGHT:
        found = _assigned(text, start, span, name, rank)
    return found


def _assigned(text: str, start: int, span: Span | None, name: str, rank: str) -> Span | None:
    """Return *span*, right after an equals sign, if the name at *start* says enough.

    Closing brackets do not belong to it. Arguments and attributes in code, such as `login(password=word)`,
    are no values.
    """
    if not span:
        return None
    at, stop = span
    while stop > at + 1 and text[stop - 1] == ")" and not _balanced(text[at:stop]):
        stop -= 1
    value, after = text[at:stop], text[stop : stop + 1]
    if after in ("(", "[") or CODE.match(value):
        return None
    if LETTERS_ONLY.fullmatch(value) and (_ATTRIBUTE.match(value) or _is_argument(text, start, stop)):
        return None
    if _is_certain(name, rank):
        return (at, stop) if _is_any(value) else None
    if rank != "token" or _plain_name(name) not in _TOKENS or len(value) < 8:
        return None
    is_known = is_placeholder(value) or is_known_id(value) or _OF_TOKENS.fullmatch(value)
    return None if is_known or "://" in value or not any(c.isalpha() for c in value) else (at, stop)


def _is_argument(text: str, start: int, stop: int) -> bool:
    """Return whether text[start:stop] is an argument in a call, or stands on its line between others."""
    if text[stop : stop + 1] not in (",", ")"):
        return False
    opened = text.rfind("(", max(0, start - _MOST_CALL), start)
    if (
        opened > 0
        and text.find(")", opened, start) < 0
        and (text[opened - 1].isalnum() or text[opened - 1] == "_")
    ):
        return True
    return (
        text[stop + 1 : stop + 2] == "\n" and text[max(0, start - 40) : start].rpartition("\n")[2].isspace()
    )


def _is_certain(name: str, rank: str) -> bool:
    return rank == "password" or (rank == "token" and _plain_name(name).endswith(_CERTAIN))


def _plain_name(name: str) -> str:
    return name.replace("_", "").replace("-", "")


def _is_any(value: str) -> bool:
    """Return whether *value* may be a secret at all: no placeholder, no flag, no text of several words."""
    return not (
        is_placeholder(value) or value in ("", "0", "1") or any(c.isspace() for c in value) or "://" in value
    )


def _rest_of_header(text: str, scheme: re.Match[str]) -> Span | None:
    at = scheme.end()
    if scheme[1].lower() in _RUN_ON:
        rest = re.compile(r"[^\r\n\\]{4,2000}").match(text, at)
        return rest.span() if rest else None
    return _bare(text, _bare_span(text, at, query=False), "header", spaced=False)


def _bare(text: str, span: Span | None, rank: str, *, spaced: bool) -> Span | None:
    """Return *span*, that of an unquoted value, if it is a secret."""
    if not span:
        return None
    at, stop = span
    value = text[at:stop]
    if LETTERS_ONLY.fullmatch(value):
        if rank not in ("password", "header") or text[stop : stop + 1] in ("(", "[", ".", ")"):
            return None
        if spaced and not (text[stop : stop + 1] in ("", "\n", "\r") and value.islower()):
            return None
        if _OF_CODE.search(value):
            return None
        if rank == "header" and len(value) < 16:
            return None
        if "." in value:
            return None
    elif CODE.match(value):
        return None
    return (at, stop) if is_secret(value, rank, quoted=False) else None


def _bare_span(text: str, at: int, *, query: bool) -> Span | None:
    """Return the span of the unquoted value at *at*."""
    match = _BARE.match(text, at)
    if not match:
        return None
    stop = match.end()
    cut = (_QUERY_CUT if query else _CUT).search(text, at, stop)
    if cut:
        stop = cut.start()
    while (stop > at and text[stop - 1] in ",;") or (
        stop - at > 2 and text[stop - 1] in ").]}" and not _balanced(text[at:stop])
    ):
        stop -= 1
    return (at, stop) if stop > at else None


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


def _elsewhere(text: str, start: int, end: int, rank: str) -> Span | None:
    """Return the secret after a name without operator: in an element, a call, an option, a sentence."""
    after = text[end : end + 1]
    if after == ">" or (after == " " and text[start - 1 : start] == "<"):
        return _in_element(text, end, rank)
    if after == "(":
        call = _CALL.match(text, end)
        found = _quoted(text, call.end(), rank) if call else None
        return found if found and DIGIT.search(text, *found) and " " not in text[slice(*found)] else None
    for pattern in (_ARGUMENT, _PAIRED):
        match = pattern.match(text, end)
        if match:
            return _quoted_or_bare(text, match.end(), rank)
    if "-" in text[max(0, start - 1) : start + 1]:
        match = _OPTION.match(text, end)
        if match:
            return _quoted_or_bare(text, match.end(), rank)
    return _said(text, start, end, rank)


def _in_element(text: str, end: int, rank: str) -> Span | None:
    match = _ELEMENT.match(text, end)
    stop = text.find("<", match.end(), match.end() + _MOST_VALUE) if match else -1
    if not match or stop < 0:
        return None
    value = text[match.end() : stop].rstrip()
    return (match.end(), match.end() + len(value)) if is_secret(value, rank, quoted=True) else None


def _quoted_or_bare(text: str, at: int, rank: str) -> Span | None:
    if _OPEN.match(text, at):
        return _quoted(text, at, rank)
    return _bare(text, _bare_span(text, at, query=False), rank, spaced=True)


def _quoted(text: str, at: int, rank: str) -> Span | None:
    """Return the span within the quotation marks at *at*, if a secret is in them and not another name."""
    opened = _OPEN.match(text, at)
    stop = _closing(text, opened.end(), opened[1] + opened[2]) if opened else None
    if not opened or not stop or _IS_NAME.match(text, stop):
        return None
    return (opened.end(), stop) if is_secret(text[opened.end() : stop], rank, quoted=True) else None


def _said(text: str, start: int, end: int, rank: str) -> Span | None:
    """Return the secret in `the token is …`, `API key provided: …`, `login … password …`."""
    match = _SAID.match(text, end)
    bare = _BARE.match(text, match.end()) if match else None
    if not bare:
        return None
    value = bare[0].rstrip(".,;:)]}" if rank == "password" else ".,;:!?)]}")
    span = bare.start(), bare.start() + len(value)
    if rank == "password" and _follows_login(text, start):
        return span if value and not is_placeholder(value) else None
    return span if len(value) >= (8 if rank == "password" else 12) and is_said(value) else None


def _follows_login(text: str, start: int) -> bool:
    """Return whether `password` at *start* stands in a .netrc entry: machine …, login …, password …."""
    return re.search(r"\blogin\s{1,8}\S{1,120}\s{1,8}$", text[max(0, start - 140) : start]) is not None


def _schemed(text: str, start: int) -> Finding | None:
    match = _SCHEMED.match(text, start)
    if not match or is_placeholder(match[2]):
        return None
    value = match[2].rstrip(".:")
    if match[1].lower() == "basic":
        good = _is_basic(value)
    else:
        good = (
            (bool(DIGIT.search(value)) and not is_plain(value)) or is_letter_noise(value) or is_dense(value)
        )
    return _secret(match.start(2), match.start(2) + len(value)) if good else None


def _is_basic(value: str) -> bool:
    """Return whether *value* is the base64 of user:password (RFC 7617)."""
    try:
        return b":" in base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (ValueError, binascii.Error):
        return False


def _cookie(text: str, end: int, name: str) -> Finding | None:
    match = _COOKIE_VALUE.match(text, end)
    if not match or is_placeholder(match[1]):
        return None
    if name.startswith("set"):
        first = _SET_COOKIE_VALUE.match(text, match.start(1))
        return _secret(*first.span()) if first else None
    return _secret(match.start(1), match.start(1) + len(match[1].rstrip()))


def may_match(look: Look) -> bool:
    low = look.lower
    for word in _KEYWORDS:
        if word in low:
            return True
    return "=" in low and any(word in low for word in _KEYWORDS_EQUALS)


_NAMED = f"(?i:{'|'.join(_KEYWORDS)})"
_EQUALS = f"(?i:{'|'.join(_KEYWORDS_EQUALS)})"
_REST = "[0-9A-Za-z_-]*"
NEEDLE = "|".join((
    rf"{_NAMED}{_REST}[^0-9A-Za-z_\- {re.escape(''.join(_NO_VALUE))}]",
    rf"{_NAMED}{_REST} (?s:.{{0,49}})[=:0-9]",
    "(?i:password [a-z]|<password|bearer |basic )",
    rf"(?:^|[^0-9A-Za-z_-])-{_REST}{_NAMED}{_REST} ",
    rf"{_EQUALS}(?s:.*)=|=(?s:.*){_EQUALS}",
    f"(?i:{'|'.join(word for word in _KEYWORDS_EQUALS if '=' in word)})",
))  # fmt: skip
"""A name, and what may announce a value after it: the conditions of `find`, as names are all over prose."""
