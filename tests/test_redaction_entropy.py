"""Random tokens in free text are found; ids, digests, names, paths and pictures are not."""

from __future__ import annotations

import base64
import hashlib
import random
import string
import uuid

import pytest
from credential_texts import found, hidden, texts
from hypothesis import given, settings

from or_audit_logging.redaction.entropy import MATCHERS

CHANCE = random.Random(7)
LETTERS = string.ascii_letters + string.digits


def drawn(length: int, alphabet: str = LETTERS) -> str:
    return "".join(CHANCE.choices(alphabet, k=length))


@pytest.mark.parametrize(
    "token",
    [
        *(drawn(length) for length in (24, 32, 40, 48, 64)),
        *(drawn(length, string.ascii_lowercase + string.digits) for length in (32, 40, 64)),
        drawn(43, LETTERS + "-_") + "0a1b",
        "pfx_" + drawn(36),
        drawn(60, "0123456789abcdef"),
        "F4K3x9" + drawn(20) + "/" + drawn(10) + "+" + drawn(4),
    ],
)
@pytest.mark.parametrize("around", ["{}", "try {} now", '"{}"', "x={}", "(see {})", "with {}."])
def test_random_tokens(around: str, token: str) -> None:
    """A random token is covered whole, whatever stands around it."""
    text = around.format(token)
    at = text.index(token)
    assert set(hidden(MATCHERS, text)[at : at + len(token)]) == {"#"}


@pytest.mark.parametrize(
    "text",
    [
        *(
            p + drawn(24)
            for p in ("gen-1718900000-", "chatcmpl-", "msg_01", "resp_", "call_", "toolu_01", "run_")
        ),
        *(
            p + drawn(24)
            for p in ("thread_", "asst_", "req_", "file-", "batch_", "rs_", "fc_", "step_", "vs_")
        ),
        str(uuid.UUID(int=CHANCE.getrandbits(128))),
        uuid.UUID(int=CHANCE.getrandbits(128)).hex,
        hashlib.sha1(b"").hexdigest(),
        "8a1b2c3d4e5f6a7b-FRA",  # cf-ray: Cloudflare's id of a request
        "sha256:" + hashlib.sha256(b"").hexdigest(),
        hashlib.sha512(b"").hexdigest(),
        "00-" + "5cf93a14041b40ff28f634dbb6a43eed-2c066b5c399b41b1-01",
        "01KAABMC67SG1MXDNBC9GCG5CZ",
        "20260517T012028-539363",
        "data:image/png;base64," + base64.b64encode(CHANCE.randbytes(300)).decode(),
        base64.b64encode(b"\xfb\xff" + CHANCE.randbytes(90)).decode(),
        "anthropic/claude-3-5-sonnet-20241022, mistralai/mixtral-8x22b-instruct-v0.1, gpt-4o-mini-2024-07-18",
        "/usr/lib/python3.11/site-packages/or_audit_logging/redaction/finding.py",
        "https://example.com/articles/2024/05/the-ten-best-ways-to-learn-python3",
        "ec2-203-0-113-25.compute-1.amazonaws.com, ip-10-0-0-12.eu-west-1.compute.internal",
        "getElementsByClassName2AndFilter, snake_case_identifier_number_12, MAX_RETRY_COUNT_V2_DEFAULT",
        "sha512-" + base64.b64encode(hashlib.sha512(b"").digest()).decode(),
        "GB82WEST12345698765432",
        "internationalization-of-responsibilities",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefghijklmnopqrstuvwxyz 01234567890123456789",
    ],
)
def test_ids_and_names(text: str) -> None:
    """What LLM stacks, systems and people write is spared."""
    assert hidden(MATCHERS, text) == text


@settings(deadline=None)
@given(texts)
def test_gates_hide_nothing(text: str) -> None:
    """Where a token is found, both gates are open."""
    found(MATCHERS, text)
