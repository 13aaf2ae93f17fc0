"""What the tests of redaction's matchers share: what is found in a text, and gates held to what is found."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import strategies as st

from or_audit_logging.redaction.finding import Look, Matcher

try:
    import re2
except ImportError:
    re2 = None


def found(matchers: Iterable[Matcher], text: str) -> list[tuple[str, str]]:
    """Return type and text of what the matchers find, in the text's order; their gates must let it pass."""
    out = []
    for matcher in matchers:
        findings = list(matcher.find(text))
        if findings:
            assert matcher.may_match(Look(text)), f"the gate of {matcher.name} hides {findings}"
            assert re2 is None or re2.search(matcher.needle, text), (
                f"{matcher.name}: no needle for {findings}"
            )
        out += [(f.start, f.type, text[f.start : f.end]) for f in findings]
        assert all(0 <= f.start < f.end <= len(text) for f in findings)
    return [(kind, value) for _, kind, value in sorted(out)]


def replaced(matchers: Iterable[Matcher], text: str) -> str:
    """Return *text* with each finding replaced by its type in brackets."""
    for matcher in matchers:
        for finding in sorted(matcher.find(text), key=lambda f: f.start, reverse=True):
            text = f"{text[: finding.start]}[{finding.type}]{text[finding.end :]}"
    return text


def texts(pieces: Iterable[str]) -> st.SearchStrategy[str]:
    """Texts made of *pieces* of what is looked for, of separators and of anything else."""
    some = st.sampled_from(
        [*pieces, *" \t\n.,:;-/()+=\"'[]@#%_\\", "x", "0", "12", "345", "6789", "é", "电话"]
    )
    return st.lists(some | st.text(max_size=3) | st.integers(0, 10**19).map(str), max_size=14).map("".join)


ADVERSARIAL = [
    *("1.", "a.", "a-", "1-", "+1 ", "a@", "@a", ":", "0:", "::", "1 ", "1", "(", "(1", "1/", "12 ", "DE89 "),
    *("4111 ", "phone 1 ", "call me on ", "a+=", "\\n1", "ff:ff::", "1.1.1.1.", "+49 1 ", "(0) ", "A1", "é@"),
    "电1234567 ",
]
"""Seeds that careless patterns are slow on when they are repeated."""
