"""Names that announce a secret: `api_key`, `dbPassword`, `X-Auth-Token`; not `prompt_tokens` or `monkey`.

    rank("token = …", 0, 5)     -> "token"

A name counts by its last words, whichever way they are joined.
"""

from __future__ import annotations

import functools
import re

from or_audit_logging.redaction.vendors import FORMATS

_WORD = re.compile(r"[A-Z]{2,40}(?![a-z])|[A-Z]?[a-z]{1,40}|[A-Z]|[0-9]{1,20}")

_PASSWORD_WORDS = frozenset([
    "password", "passwd", "passphrase", "passcode", "passwort", "pwd", "passw", "contrasena", "senha",
    "motdepasse", "kennwort", "userpass", "dbpass",
])  # fmt: skip
_SECRET_WORDS = frozenset([
    "secret", "secrets", "token", "apikey", "apitoken", "apisecret", "pat", "jwt", "bearer",
    "credential", "credentials", "creds",
])  # fmt: skip
_SECRET_ENDINGS = (
    "password", "passwd", "passphrase", "passwort", "pwd",
    "secret", "token", "apikey", "accesskey", "secretkey", "privatekey", "authkey", "licensekey", "masterkey",
    "signingkey", "encryptionkey", "storagekey", "accountkey", "sharedkey", "clientkey", "appkey",
    "servicekey",
)  # fmt: skip
_KEY_BEFORE = frozenset([
    "api", "access", "secret", "private", "account", "subscription", "license", "signing", "encryption",
    "encrypt", "master", "shared", "auth", "client", "app", "application", "security", "service",
    "admin", "consumer", "storage", "project", "webhook", "deploy", "ssh", "gpg", "rest", "user", "bot",
    "server", "session", "function", "functions", "host", "connection", "instrumentation", "ingest",
    "write", "read", "crypt", "aes", "hmac", "rsa", "jwt", "cookie", "web", "developer", "dev", "prod",
    "live", "test", "sas", "primary", "secondary", "management", "provisioning", "data", "vault",
    "root", "personal", "customer", "integration",
])  # fmt: skip
_WEAK_WORDS = frozenset([
    "key", "auth", "authorization", "session", "sess", "sessid", "sessionid", "sid", "pass", "pw",
    "sig", "signature", "code", "login", "cookie", "hash", "cert", "salt",
])  # fmt: skip
_NOT_SECRET = frozenset([
    "count", "counts", "limit", "limits", "size", "length", "len", "type", "types", "name", "names",
    "file", "filename", "path", "dir", "url", "uri", "endpoint", "host", "port", "expires", "expiry",
    "expiration", "ttl", "timeout", "usage", "used", "cost", "price", "budget", "rate", "rates",
    "index", "idx", "field", "fields", "policy", "version", "format", "algorithm", "alg", "class",
    "provider", "manager", "service", "store", "enabled", "required", "valid", "min", "max", "number",
    "num", "id", "ids", "kind", "mode", "status", "state", "header", "headers", "label", "labels",
    "title", "description", "desc", "hint", "strength", "length", "reset", "page", "form", "input",
    "prompt", "error", "errors", "message", "msg", "time", "date", "at", "by", "source", "regex",
    "pattern", "column", "table", "user", "username", "email", "level", "tokens", "tokenizer",
    "keyword", "keywords", "keyboard", "author", "authors", "authority", "authored",
])  # fmt: skip
_KEY_SPARED = frozenset([
    "public", "pub", "foreign", "partition", "sort", "cache", "idempotency", "object", "routing",
    "group", "dedup", "index", "row", "map", "dict", "lookup", "unique", "primary", "s3", "hot",
    "short", "shortcut", "keyboard", "arrow", "enter",
])  # fmt: skip

_VENDOR_NAMES = frozenset(row.vendor for row in FORMATS) | {
    "mistral", "cohere", "deepseek", "azure", "heroku", "datadog", "algolia", "okta", "auth0",
    "deepgram", "assemblyai", "portkey",
}  # fmt: skip
_LONG_VENDOR_NAMES = tuple(sorted(name for name in _VENDOR_NAMES if len(name) >= 5))

_TRAILERS = frozenset([
    "base", "value", "val", "str", "string", "text", "raw", "plain", "confirmation", "confirm", "hash", "b64",
    "base64", "encoded", "encrypted", "old", "new", "prod", "dev", "test", "live", "v",
])  # fmt: skip
"""Words after which the word before counts: `secret_key_base`, `password_confirmation`."""


_HEADERS = frozenset(["x-api-key", "x-auth-token", "x-access-token", "authorization", "proxy-authorization"])


def rank(text: str, start: int, end: int) -> str | None:
    """Return what the name text[start:end] says of its value: header, password, token, weak, or None."""
    if text[end : end + 1] == ":" and text[start:end].lower() in _HEADERS:
        return "header"
    found = _rank_of(text[start:end])
    if found != "key":
        return found
    before = _word_before(text, start) if text[max(0, start - 1) : start] == " " else ""
    return None if before in _KEY_SPARED else "token" if before in _KEY_BEFORE else "weak"


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
    if last in _SECRET_WORDS or last.endswith(_SECRET_ENDINGS):
        return "token"
    if last == "key":
        return _rank_of_key(before, len(words))
    if last in _NOT_SECRET:
        return None
    if last in ("authorization", "sig", "signature"):
        return "token"
    if last in _WEAK_WORDS or last.endswith(("sessid", "sessionid")):
        return "weak"
    return "weak" if any(word in _PASSWORD_WORDS or word in _SECRET_WORDS for word in words) else None


def _rank_of_key(before: str, words: int) -> str | None:
    if not before:
        return "key"  # the word before it may stand apart: "API key: …"
    if before in _KEY_SPARED:
        return None
    return "token" if before in _KEY_BEFORE or before in _VENDOR_NAMES or words > 2 else "weak"


def _word_before(text: str, start: int) -> str:
    words = _WORD.findall(text[max(0, start - 20) : start])
    return words[-1].lower() if words else ""


@functools.lru_cache(maxsize=2048)
def vendor_of(name: str) -> str | None:
    """Return the vendor that *name*, in lower case, mentions, if any."""
    for vendor in _LONG_VENDOR_NAMES:
        if vendor in name:
            return vendor
    return next((word for word in _SEPARATORS.split(name) if word in _VENDOR_NAMES), None)


_SEPARATORS = re.compile(r"[^a-z0-9]")
