"""Secrets without a vendor's form: tokens, private keys, URLs, commands, and what a name gives away."""

from __future__ import annotations

import base64
import json

import pytest
from credential_texts import FAKE, found, hidden, texts
from hypothesis import given, settings

from or_audit_logging.redaction import Redactor
from or_audit_logging.redaction.secrets import MATCHERS


def jwt(header: dict[str, object], payload: str = "FAKE") -> str:
    parts = [json.dumps(header), json.dumps({"sub": payload}), "signature of nobody at all"]
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


JWT = jwt({"alg": "none", "typ": "JWT"})
BODY = "\n".join([FAKE + "FAKE"] * 6)
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{BODY}\n-----END RSA PRIVATE KEY-----"

HIT = [
    ("JWT {}", JWT),
    ("spaced header {}", jwt({"typ": "JWT", "alg": "HS256"})),
    ("{}", PEM),
    ("{}", PEM.replace("\n", "\\n")),
    ("{}", PEM.partition("-----END")[0].rstrip()),
    ("{}", PEM.replace("RSA ", "ENCRYPTED ")),
    ("Authorization: Bearer {}", FAKE[:30]),
    ("Authorization: Basic {}", "dXNlcjpwYXNzd29yZA=="),
    ("authorization: token {}", FAKE[:30]),
    ('{{"Authorization": "Bearer {}"}}', FAKE[:30]),
    ("-H 'Authorization: Bearer {}'", FAKE[:30]),
    ("sent Bearer {} to it", FAKE[:30]),
    ("Basic {}", "dXNlcjpwYXNz"),
    ("Cookie: {}", "sid=FAKE0fake; theme=dark"),
    ("Set-Cookie: {}; Path=/; HttpOnly", "sid=FAKE0fake"),
    ("postgres://bob:{}@db.example.com:5432/app", "Y$NL46+x"),
    ("https://bob:{}@example.com", "password"),
    ("redis://:{}@cache", "s3cr3t"),
    ("mysql://root:{}@db", "pa/ss#1"),
    ("https://{}@github.com/org/repo", FAKE[:24]),
    ("curl -u bob:{} https://example.com", "hunter2"),
    ("curl --user 'bob:{}'", "hun!ter2"),
    ("?access_token={}&x=1", FAKE[:20]),
    ("/cb?sig={}&se=1", "fake%2Bfake00FAKE11%3D"),
    ("password={}", "hunter2"),
    ("PASSWORD={}", "Tr0ub4dor&3"),
    ("password: {}", "hunter2"),
    ("password: {}\nuser: bob", "letmein"),
    ('password = "{}"', "correcthorse"),
    ("passphrase: '{}'", "correct horse 9 staple"),
    ("Server=db;User Id=sa;Password={};Database=x", "Abc!23"),
    ("userPassword => '{}'", "hunter2"),
    ("--password {} -h db", "hunter2x"),
    ("--password={}", "hunter2x"),
    ("--api-key '{}'", FAKE[:16]),
    ("machine example.com login bob password {}", "sesame"),
    ("login with password: {}", "mM1rn1u-^Dbl%"),
    ("the password is {}", "S3cretPass!"),
    ("using token {} now", FAKE[:20]),
    ('api_key="{}"', FAKE[:16]),
    ("export COHERE_API_KEY={}", FAKE[:40]),
    ("apiKey: `{}`", FAKE[:16]),
    ('var token string = "{}"', FAKE[:16]),
    ('token: str = "{}"', FAKE[:16]),
    ('os.Setenv("API_TOKEN", "{}")', FAKE[:16]),
    ('.password("{}")', "Secr3t!x"),
    ('<add key="ApiKey" value="{}"/>', FAKE[:16]),
    ("- name: DB_PASSWORD\n  value: '{}'", "hunter2"),
    ("<password>{}</password>", "hunter2"),
    ("**Password**: `{}`", "gfhj1278"),
    ('{{\\"client_secret\\": \\"{}\\"}}', FAKE[:16]),
    ("X_TOKEN={}\\nNEXT=1", FAKE[:16]),
    ("x-api-key: {}", "12345678901234567890"),
    ("Azure subscription key: {}", "0123456789abcdef" * 2),
    ("key=key=key=key=key={}", FAKE[:20]),
    # after an equals sign, or in quotation marks, the name alone is enough
    ("password={}", "abc"),
    ("passwd={} user=bob", "letmein"),
    ("DB_PWD={}", "a1"),
    ("?pwd={}&x=1", "foo"),
    ("user=bob;password={};x=1", "foo"),
    ("password={}", "mypassword"),
    ("password={}, user=bob", "foo"),
    ("(user=bob, password={})", "letmein"),
    ("secret={}", "abc"),
    ("client_secret={}", "patience"),
    ("api_key={}", "abcdefgh"),
    ("X-API-KEY={}", "1234"),
    ("{{'password': '{}'}}", "foo"),
    ('"api_key": "{}"', "demo1"),
    ("TOKEN={}", "abcdefgh"),
    ("auth_token={}", "correcthorse"),
    ("/reset?token={}", "abcdefghijk"),
]


@pytest.mark.parametrize(("around", "secret"), HIT)
def test_what_is_hidden(around: str, secret: str) -> None:
    """The secret is covered whole, and the name before it stays."""
    text = around.format(secret)
    after = hidden(MATCHERS, text)
    at = text.index(secret)
    assert after[at : at + len(secret)].rstrip("\n") == "#" * len(secret.rstrip("\n"))
    assert after[:at] == text[:at]


SPARED = [
    "prompt_tokens=12 completion_tokens: 3, max_tokens=4096, total_tokens=15",
    '"usage": {"prompt_tokens": 1234567, "token_count": 99}',
    'token: 5, "token": "Hello", "logprob": -0.1',
    "author: Jane2024Smith99, monkey=abc123def456ghi789, keyboard: qwerty123456",
    'tokenizer="cl100k_base", token_type: bearer, keyword: python3',
    "password: none, password=null, secret: true, token: ''",
    "password=********, password: <password>, password=${DB_PASSWORD}, pwd=$PASSWORD",
    "password=[SECRET], Authorization: Bearer [SECRET], api_key=[API_KEY:k1:9f3c1a2b3c4d5e6f]",
    'api_key=os.environ["API_KEY_2"], token = get_token(user1), password=getpass()',
    "api_key: your-api-key-here, API_KEY=YOUR_API_KEY, key: <your key>",
    "password: string; api_key: Optional[str] = None; token: str",
    "def login(user, password=None, *, token: str | None = None) -> None",
    'const token = req.headers["authorization"]',
    '{"type": "password", "name": "pw1"}',
    "Password: must have 8 characters and a digit",
    '{"password": "This field is required."}',
    "the secret: patience and 3 eggs",
    "key: value, primary_key: 1234abcd1234abcd1234, cache key: item-2024-01",
    "basic understanding of bearer bonds, passed 12 of 12, passenger 42",
    "session timeout 30m, session_id=0193-abcd",
    "https://example.com/@user, git@github.com:org/repo.git, http://localhost:8080/x@y",
    "eyJAAAA.eyJBBB, eyJub3QiOiJqd3QifQ",
    "-----BEGIN CERTIFICATE-----\nFAKE\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\nFAKE\n-----END PUBLIC KEY-----",
    "a key=value pair, the keys are 1 and 2, token=tokens[0]",
    "token=required, token=expired, auth_token=missing, token=access_token, token=Hello",
    "eos_token=endoftext, next_token=abcdefghijkl, num_tokens=123456789",
    "login(password=pw), connect(host=h, secret=word), Client(api_key=openai_key)",
    "f(\n    api_key=word,\n    x=1)",
    "password=self.password, password=args.word, secret=settings.SECRET",
    "PWD=/home/ann, pwd=C:\\Users, use_password=1, has_secret=0, PASS=3 FAIL=2",
]


@pytest.mark.parametrize("text", SPARED)
def test_what_is_spared(text: str) -> None:
    """Counts, words, placeholders, types and code are no secrets."""
    assert hidden(MATCHERS, text) == text


def test_several_in_a_text() -> None:
    """Each is found where it stands."""
    text = f"password=hunter2&api_key={FAKE[:16]} https://a:b1c2@h/ {JWT}"
    assert hidden(MATCHERS, text) == f"password=#######&api_key={'#' * 16} https://a:####@h/ {'#' * len(JWT)}"


def test_a_vendor_named_before_the_value() -> None:
    """A key without a form of its own is its vendor's if the name says so."""
    (finding,) = found(MATCHERS, f"MISTRAL_API_KEY={FAKE[:32]}")
    assert (finding.type, finding.vendor) == ("API_KEY", "mistral")


@settings(deadline=None)
@given(texts)
def test_gates_hide_nothing(text: str) -> None:
    """Where a secret is found, both gates are open."""
    found(MATCHERS, text)


@pytest.mark.parametrize("pair", ["(b'Set-Cookie', b'{}; path=/')", "['cookie', '{}']", '["Cookie","{}"]'])
def test_cookies_in_pairs(pair: str) -> None:
    """As HTTP clients log the headers that they sent and got."""
    assert Redactor().redact(pair.format("__cf_bm=Ab1.c-2")).text == pair.format("[SECRET]")
