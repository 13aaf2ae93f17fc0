"""Keys of vendors: every format of the table is found wherever it stands, and what resembles it is not."""

from __future__ import annotations

import functools
import random
import re
import re._parser as sre  # type: ignore[import-not-found] # how hypothesis, too, reads patterns
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from credential_texts import FAKE, found, hidden, texts
from hypothesis import given, settings

from or_audit_logging.redaction import Redactor
from or_audit_logging.redaction.finding import Look
from or_audit_logging.redaction.vendors import FORMATS, MATCHERS, Format

ROWS = [(row, prefix) for row in FORMATS for prefix in row.prefixes]
HEX = "0123456789abcdef"


AROUND = [("", ""), ('"', '"'), ("key ", " x"), ("(", ")"), ("=", "\n"), ("\\n", '"')]


def drawn(pattern: str, chance: random.Random) -> str:
    """Return a text that *pattern* matches, and that has a long run as every real key does."""
    for _ in range(3000):
        key = "".join(_pieces(sre.parse(pattern), chance))
        if re.fullmatch(pattern, key) and Look(key).has_run:
            return key
    raise AssertionError(pattern)


def _pieces(parsed: Any, chance: random.Random) -> Iterator[str]:
    for op, value in parsed:
        match str(op):
            case "LITERAL":
                yield chr(value)
            case "IN":
                yield chance.choice(_chars_among(tuple(value)))
            case "MAX_REPEAT":
                for _ in range(chance.randint(value[0], min(value[1], value[0] + 8))):
                    yield from _pieces(value[2], chance)
            case "BRANCH":
                yield from _pieces(chance.choice(value[1]), chance)
            case "SUBPATTERN":
                yield from _pieces(value[3], chance)


@functools.cache
def _chars_among(values: Any) -> list[str]:
    return [char for char in map(chr, range(33, 127)) if _among(char, values)]


def _among(char: str, values: Any) -> bool:
    return any(
        ord(char) == among if str(kind) == "LITERAL" else among[0] <= ord(char) <= among[1]
        for kind, among in values
    )


@pytest.mark.parametrize(("row", "prefix"), ROWS, ids=[f"{row.vendor}-{prefix}" for row, prefix in ROWS])
def test_every_format_is_found(row: Format, prefix: str) -> None:
    """A key of each format is covered to its last character, whatever stands around it."""
    chance = random.Random(prefix)
    for before, after in AROUND:
        key = drawn(re.escape(prefix) + row.tail, chance)
        text = before + key + after
        findings = found(MATCHERS, text)
        assert {f.type for f in findings} == {"API_KEY"}
        assert all(f.vendor for f in findings)
        assert set(hidden(MATCHERS, text)[len(before) :][: len(key)]) == {"#"}, text


@pytest.mark.parametrize(
    ("key", "vendor"),
    [
        ("sk-or-v1-" + HEX * 4, "openrouter"),
        ("sk-or-v1-FAKE_fake", "openrouter"),
        ("sk-or-v1-77a...f2c", "openrouter"),
        ("sk-or-v1-77a…", "openrouter"),
        ("sk-ant-api03-" + FAKE + FAKE[:40] + "AA", "anthropic"),
        ("sk-ant-admin01-" + FAKE, "anthropic"),
        ("sk-" + FAKE[:20] + "T3BlbkFJ" + FAKE[:20], "openai"),
        ("sk-proj-" + FAKE + "-" + FAKE + "_" + FAKE, "openai"),
        ("sk-svcacct-" + FAKE, "openai"),
        ("sk-admin-" + FAKE, "openai"),
        ("sk-proj-********FAKE", "openai"),
        ("sk-" + HEX * 2, "openai"),
        ("AIza" + (FAKE * 2)[:35], "google"),
        ("xai-" + FAKE + FAKE[:30], "xai"),
        ("gsk_" + FAKE + "00", "groq"),
        ("hf_" + "FAKEfake" * 4 + "FA", "huggingface"),
        ("pplx-" + FAKE, "perplexity"),
        ("r8_" + FAKE[:37], "replicate"),
        ("fw_" + FAKE[:24], "fireworks"),
        ("pcsk_" + FAKE + FAKE[:20], "pinecone"),
        ("lsv2_pt_" + HEX * 2 + "_" + HEX[:10], "langsmith"),
        ("AKIA" + "FAKE" * 4, "aws"),
        ("ghp_" + FAKE[:36], "github"),
        ("github_pat_" + FAKE + FAKE[:32], "github"),
        ("glpat-" + FAKE[:20], "gitlab"),
        ("sk_" + "live_" + FAKE[:24], "stripe"),
        ("xoxb-" + "1" * 12 + "-" + "1" * 12 + "-" + FAKE[:24], "slack"),
        ("SG." + FAKE[:22] + "." + FAKE[:43], "sendgrid"),
        ("npm_" + FAKE[:36], "npm"),
        ("hvs." + FAKE + FAKE[:40], "vault"),
        ("110201543:AA" + FAKE[:33], "telegram"),
        (HEX * 2 + "-us12", "mailchimp"),
        ("abc8Q~" + FAKE[:34], "azure"),
        ("services/T0FAKE000/B0FAKE000/" + FAKE[:24], "slack"),
        # at the lengths that are stated or seen
        ("sk-ant-oat01-" + (FAKE * 2)[:93] + "AA", "anthropic"),
        ("sk-proj-" + (FAKE * 4)[:74] + "T3BlbkFJ" + (FAKE * 4)[:74], "openai"),
        ("AQ.Ab8" + (FAKE * 2)[:47], "google"),
        ("xai-" + (FAKE * 2)[:80], "xai"),
        ("gsk_" + (FAKE * 2)[:52], "groq"),
        ("pplx-" + FAKE[:48], "perplexity"),
        ("fw_" + FAKE[:33], "fireworks"),
        ("tgp_v1_" + FAKE[:20] + "-_" + FAKE[:21], "together"),
        ("csk-" + FAKE[:48], "cerebras"),
        ("nvapi-" + (FAKE * 2)[:64], "nvidia"),
        ("lsv2_sk_" + HEX * 2 + "_" + HEX[:10], "langsmith"),
        ("vck_" + (FAKE * 2)[:50] + "a-_1b2", "vercel"),
        ("cfut_" + (FAKE * 2)[:48], "cloudflare"),
        ("napi_" + (FAKE * 2)[:64].lower(), "neon"),
        ("dop_v1_" + HEX * 4, "digitalocean"),
        ("shpat_" + HEX * 2, "shopify"),
        ("sq0atp-" + FAKE[:22], "square"),
        ("sb_secret_" + FAKE[:31], "supabase"),
        ("ghs_1234567_eyJhbGciOiJSUzI1NiJ9" + FAKE + "." + FAKE * 6 + "." + FAKE * 3 + "-_a", "github"),
        ("gho_" + FAKE[:36], "github"),
        ("glpat-" + FAKE[:27] + ".01.0z1abc2de", "gitlab"),
        ("pypi-" + FAKE * 3, "pypi"),
        ("ya29." + FAKE + FAKE, "google"),
        ("xapp-1-A0FAKE0000-1234567890123-" + HEX * 4, "slack"),
        ("SK" + HEX * 2, "twilio"),
        ("hvb." + FAKE * 3, "vault"),
    ],
)
def test_whose_key_it_is(key: str, vendor: str) -> None:
    """The vendor is read from the key."""
    text = "see https://hooks.slack.com/" + key if vendor == "slack" and "/" in key else f"see {key}, please"
    findings = found(MATCHERS, text)
    assert [(f.vendor, text[f.start : f.end]) for f in findings if f.end - f.start >= len(key)][:1] == [
        (vendor, key)
    ]
    redactor = Redactor(actions={"API_KEY": "mask"})
    assert redactor.redact(text).text == text.replace(key, f"[API_KEY:{vendor}]")
    key = text.removeprefix("see ").removesuffix(", please")  # with the address before a hook's
    for where in (
        f"{key}\n",
        f"({key})",
        f"a={key};",
        f'{{"a": "{key}"}}',
        f"https://example.com/?a={key}&b=1",
    ):
        redacted = Redactor().redact(where).text
        assert not any(piece in redacted for piece in (key, key[-12:], key[len(key) // 2 :][:12])), where


@pytest.mark.parametrize(
    "text",
    [
        "a risk-free, task-specific ask-me-anything",
        "sk-or-v1-...",
        "sk-or-v1-[API_KEY]",
        "gen-1718900000-" + FAKE[:20],
        "chatcmpl-" + FAKE[:37],
        "123e4567-e89b-12d3-a456-426614174000",
        HEX * 4,
        "max_completion_tokens_per_request",
        "https://example.com/webhooks/list",
        "A" * 150,
        "re_compile_the_pattern_again",
        "sess-understanding",
        "Patience-and-perseverance",
        "NothingElseMattersInThisLongWord",
    ],
)
def test_what_is_no_key(text: str) -> None:
    """Words, ids and what redaction leaves are not keys."""
    assert found(MATCHERS, text) == []


@settings(deadline=None)
@given(texts)
def test_gates_hide_nothing(text: str) -> None:
    """Where a key is found, both gates are open."""
    found(MATCHERS, text)


def test_every_format_names_its_source() -> None:
    """A row without a source could not be checked by the next reader."""
    assert all(row.source and row.prefixes and row.tail for row in FORMATS)


def test_the_prefixes_in_the_docs_are_in_the_table() -> None:
    """What docs/redaction.md says is found."""
    table = (Path(__file__).parent.parent / "docs" / "redaction.md").read_text(encoding="utf-8")
    table = table.partition("### Whose keys")[2].partition("## Options")[0]
    named = {
        prefix
        for row in table.splitlines()
        if row.startswith("| ")
        for prefix in re.findall("`([^`]+)`", row)
    }
    prefixes = {prefix for row in FORMATS for prefix in row.prefixes}
    assert len(named) > 50
    for name in named:
        assert "\u2026" in name or any(p.startswith(name) or name.startswith(p) for p in prefixes), name


@pytest.mark.parametrize("before", ["x", "0", "KEY", "_", "a-"])
def test_a_key_of_openrouter_right_behind_letters(before: str) -> None:
    """It is told from the end of a word by what follows."""
    assert Redactor().redact(f"{before}sk-or-v1-{FAKE}").text == f"{before}[API_KEY]"
    assert Redactor().redact("task-or-v1-release-notes").findings == ()
