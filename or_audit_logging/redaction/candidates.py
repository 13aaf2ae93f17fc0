"""What stands after a telling name: is it a secret, or a placeholder, a word, a number, a piece of code?

is_secret("hunter2", "password", quoted=False)      -> True
is_secret("${DB_PASSWORD}", "password", quoted=True)   -> False
"""

from __future__ import annotations

import re

from or_audit_logging.redaction.tokens import is_known_id, is_plain

_MASKED_FORMS = r"""
    [*x.\u2022\u2026_#-]{1,200}                                        # ****, xxxx, ...
    |.{0,24}\[[A-Z_]{2,40}(?::[^\]\s]{0,80})?\].{0,8}                 # [SECRET], [API_KEY:k1:...]
    |<[^<>]{0,200}>|\{\{?[^{}]{0,200}\}?\}|\$\{.{0,200}|\$\(.{0,200}|\#\{.{0,200}
    |%\([A-Za-z_]{1,60}\)s?|%[sdr]|\{[0-9]*\}|@[A-Za-z]{1,20}@
    |\$[A-Z_][A-Z0-9_]{0,60}|\$[a-z_]{1,60}|%[A-Z_]{2,60}%
"""
MASKED = re.compile(_MASKED_FORMS, re.VERBOSE | re.IGNORECASE)
_PLACEHOLDER = re.compile(
    _MASKED_FORMS
    + r"""
    |(?:my|your|the|an?|insert|enter|replace|change|put|example|dummy|fake|some|test|sample)[_ -][^0-9]{0,80}
    |your(?:api|key|token|secret|password)\w{0,40}
    |none|null|nil|true|false|yes|no|on|off|empty|undefined|unset|string|str|text|bytes|int
    |integer|number|bool|boolean|object|any
    |required|optional|secret|token|key|password|passwd|pwd|pass|hidden
    |redacted|removed|masked|filtered|default|value|unknown|n/a|tbd|todo
    |(?:process\.)?env[.\[:].{0,80}|os\.(?:environ|getenv).{0,80}|getenv.{0,80}
    |vault:.{0,100}|secretref:.{0,100}|arn:.{0,200}|file:.{0,200}|ssm:.{0,80}
    |api[_-]?key|access[_-]?token|auth[_-]?token|client[_-]?secret
    |secret[_-]?key|user(?:name)?|basic|bearer|oauth2?|digest|session
    """,
    re.VERBOSE | re.IGNORECASE,
)
LETTERS_ONLY = re.compile(r"[A-Za-z_][A-Za-z_.]{0,200}(?:->[A-Za-z_.]{1,80})?")
_PROSE = re.compile(r"[^\W\d_]{1,40}[,.:;!?]?(?:\s{1,2}[^\W\d_][\w'\u2019-]{0,40}[,.:;!?]?){0,80}")
_ALPHA = re.compile(r"[A-Za-z]")
DIGIT = re.compile(r"[0-9]")
CODE = re.compile(r"[A-Za-z_][A-Za-z_.]{0,80}(?:[(\[{]|[A-Za-z0-9_.]{0,80}\()")
_HEX_KEY = re.compile(r"[0-9a-f]{32,128}|[0-9A-F]{32,128}")
_SPARED_IDS = re.compile(
    r"(?:gen|chatcmpl|cmpl|msg|resp|call|toolu|run|thread|asst|req|file|batch)[-_][A-Za-z0-9_-]{8,80}"
)
_PASSPHRASE_WORDS = 4
"""In quotation marks so many words are a passphrase; more are a sentence about one."""
_SIGNS = re.compile(r"[^A-Za-z0-9_.,:/ -]")


def is_said(value: str) -> bool:
    """Return whether *value* stands out in a sentence."""
    return (
        bool(DIGIT.search(value))
        and looks_random(value, 8)
        and not is_plain(value)
        and not is_placeholder(value)
    )


def is_secret(value: str, rank: str, *, quoted: bool) -> bool:
    """Return whether *value* is to be hidden after a name of that rank: password, token, weak or header."""
    if len(value) < 4 or (len(value) > 128 and not DIGIT.search(value)) or is_placeholder(value):
        return False
    if rank == "header":
        return True
    if rank == "password":
        if any(c.isspace() for c in value):
            words = value.count(" ") + 1
            is_sentence = value[-1] in ".!?:" or words > _PASSPHRASE_WORDS
            return quoted and words <= 7 and not (is_sentence and _PROSE.fullmatch(value))
        return quoted or not (value.isdigit() and len(value) < 4)
    if any(c.isspace() for c in value) or "://" in value:
        return False
    if rank == "token":
        return looks_random(value, 8)
    return (
        len(value) >= 16
        and looks_random(value, 16)
        and (not is_known_id(value) or _HEX_KEY.fullmatch(value) is not None)
    )


def is_placeholder(value: str) -> bool:
    """Return whether *value* stands for a secret, or says that there is none, rather than being one."""
    return _PLACEHOLDER.fullmatch(value) is not None


def looks_random(value: str, least: int) -> bool:
    """Return whether *value* has *least* characters and is neither a word, a number nor made of such."""
    if len(value) < least:
        return False
    letters, digits = _ALPHA.search(value), DIGIT.search(value)
    if not letters:
        return bool(digits) and len(value) >= 15 and value.isdigit()
    if digits:
        return not (is_plain(value) and not is_dense(value)) and not _SPARED_IDS.fullmatch(value)
    if LETTERS_ONLY.fullmatch(value.replace("-", "_")):
        return is_letter_noise(value)
    return len(value) <= 128 and len(_SIGNS.findall(value)) >= 3


def is_dense(value: str) -> bool:
    """Return whether letters and digits that could pass for words change too often for that."""
    return (
        len(value) >= 16 and len(re.findall(r"[0-9]{1,20}", value)) >= 4 and not re.search(r"[-_./:]", value)
    )


def is_letter_noise(value: str) -> bool:
    """Return whether letters alone are too irregular for words: in their case, or for want of vowels."""
    plain = value.replace("_", "").replace("-", "")
    if len(plain) < 16 or "." in value:
        return False
    changes = len(re.findall(r"[a-z](?=[A-Z])|[A-Z](?=[a-z])", plain))
    if changes * 3 >= len(plain):
        return True
    vowels = len(re.findall(r"(?i)[aeiouy]", plain))
    return len(plain) >= 20 and vowels * 5 < len(plain)
