"""Texts made of pieces that secrets are made of, and the check that gates hide nothing."""

from __future__ import annotations

import importlib
import importlib.util

from hypothesis import strategies as st

from or_audit_logging.redaction.finding import Finding, Look, Matcher
from or_audit_logging.redaction.vendors import FORMATS

re2 = importlib.import_module("re2") if importlib.util.find_spec("re2") else None

FAKE = "FAKE0fake1FAKE2fake3FAKE4fake5FAKE6fake7FAKE8fake9"
"""What the keys of these tests are cut from, so that nobody takes them for real."""

_PIECES = [
    *sorted({prefix for row in FORMATS for prefix in row.prefixes}),
    *(
        "password",
        "passwd",
        "token",
        "api_key",
        "secret",
        "auth",
        "Authorization",
        "Cookie",
        "key",
        "sid",
        "sig",
    ),
    *(
        "=",
        ": ",
        ":",
        " = ",
        '": "',
        '"',
        "'",
        " ",
        "\n",
        ", ",
        "&",
        "?",
        "/",
        ".",
        "-",
        "_",
        "<",
        ">",
        "(",
        ")",
    ),
    *(
        "Bearer ",
        "Basic ",
        "://",
        "@",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "curl -u ",
    ),
    *(
        "eyJhbGciOiJub25lIn0",
        "dXNlcjpwYXNz",
        "hunter2!",
        "é",
        "\u017f",
        "\u212a",
        "\u0130",
        "%3D",
        "\\n",
        "sk-",
        "...",
    ),
    *(
        "0123456789abcdef" * 2,
        "110201543:AA",
        "-us12",
        "8Q~",
        "==",
        "|",
        ".atlasv1.",
        "hooks.slack.com/services/T",
    ),
    *(FAKE[:8], FAKE[:20], FAKE[:40], FAKE + FAKE, "Zx9" * 8, "A1" * 22),
]

texts = st.lists(st.one_of(st.sampled_from(_PIECES), st.text(max_size=6)), max_size=14).map("".join)


def found(matchers: tuple[Matcher, ...], text: str) -> list[Finding]:
    """Return all findings; both gates must have let each of them through."""
    findings = []
    for matcher in matchers:
        mine = list(matcher.find(text))
        for finding in mine:
            assert 0 <= finding.start < finding.end <= len(text)
            assert finding.category == "credential"
        if mine:
            assert matcher.may_match(Look(text)), (matcher.name, text)
            assert re2 is None or re2.search(matcher.needle, text), (matcher.name, text)
        findings += mine
    return findings


def hidden(matchers: tuple[Matcher, ...], text: str) -> str:
    """Return *text* with every character of a finding as '#'."""
    chars = list(text)
    for finding in found(matchers, text):
        chars[finding.start : finding.end] = "#" * (finding.end - finding.start)
    return "".join(chars)
