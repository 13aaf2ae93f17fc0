"""A record's members as one JSON object that fits a line: what is too long is cut, and says so.

encode({"event_type": "log", "note": "caf\u00e9", "total_cost": Decimal("0.00042")}, limit=8000)
-> b'{"event_type":"log","note":"caf\\u00e9","total_cost":0.00042}'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from or_audit_logging.record import AuditRecord
from or_audit_logging.sealing.text import dumps, money, plain_members, written, written_record


def encode(members: Mapping[str, object], *, limit: int) -> bytes:
    """Return *members* as a JSON object of at most *limit* bytes.

    Where it would be longer, text is cut on characters in this order: content, metadata values,
    error_message; then content and metadata are dropped, then whatever else is long. A cut object ends
    with `"truncated":true,"original_bytes":n`, n being the length it would have had.
    """
    body = written(members)
    return body if len(body) <= limit else _fit(plain_members(members), limit=limit, original=len(body))


def encode_record(record: AuditRecord, *, limit: int) -> bytes:
    """Return `encode(record.to_dict(), limit=limit)`, faster."""
    body = written_record(record)
    return body if len(body) <= limit else encode(record.to_dict(), limit=limit)


def _fit(members: dict[str, object], *, limit: int, original: int) -> bytes:
    members = {k: v for k, v in members.items() if k not in ("truncated", "original_bytes")}
    members |= {"truncated": True, "original_bytes": original}
    for cut in (
        _cut_content,
        _cut_metadata,
        _cut_error_message,
        _drop_free_members,
        _cut_the_rest,
        _keep_the_least,
    ):
        members = cut(members, len(written(members)) - limit)
        body = written(members)
        if len(body) <= limit:
            return body
    raise ValueError(f"a limit of {limit} bytes is too short for the least record")


def _cut_content(members: dict[str, object], excess: int) -> dict[str, object]:
    return members | {"content": _shorten(members["content"], excess)} if "content" in members else members


def _cut_metadata(members: dict[str, object], excess: int) -> dict[str, object]:
    return members | {"metadata": _shorten(members["metadata"], excess)} if "metadata" in members else members


def _cut_error_message(members: dict[str, object], excess: int) -> dict[str, object]:
    text = members.get("error_message")
    return members | {"error_message": _shorten(text, excess)} if isinstance(text, str) else members


def _drop_free_members(members: dict[str, object], excess: int) -> dict[str, object]:
    return {k: v for k, v in members.items() if k not in ("content", "metadata")}


def _cut_the_rest(members: dict[str, object], excess: int) -> dict[str, object]:
    out = dict(members)
    for size, key in sorted(((_size(value), key) for key, value in members.items()), reverse=True):
        if excess <= 0 or size <= 128:
            break
        if isinstance(out[key], (str, dict, list)):
            out[key] = _shorten(out[key], excess)
            excess -= size - _size(out[key])
    return out


_LEAST = (
    "event_type",
    "v",
    "id",
    "timestamp",
    "status",
    "user_id",
    "generation_id",
    "truncated",
    "original_bytes",
)


def _keep_the_least(members: dict[str, object], excess: int) -> dict[str, object]:
    least = {key: members[key] for key in _LEAST if key in members}
    return {
        k: _cut(v, 256) if isinstance(v, str) else v
        for k, v in least.items()
        if not isinstance(v, (dict, list))
    }


def _size(value: object) -> int:
    return len(money(value) or "null") if type(value) is Decimal else len(dumps(value))


def _shorten(value: object, excess: int) -> object:
    """Return *value* with its longest texts cut until it is *excess* bytes shorter, as far as that goes."""
    if isinstance(value, str):
        return _cut(value, max(0, _size(value) - 2 - excess))
    texts = sorted(_texts(value), key=lambda text: -_size(text))
    budgets = {}
    for text in texts:
        if excess <= 0:
            break
        room = max(0, _size(text) - 2 - excess)
        budgets[text] = _cut(text, room)
        excess -= _size(text) - _size(budgets[text])
    return _replace(value, budgets)


def _texts(value: object) -> set[str]:
    if isinstance(value, str):
        return {value}
    items: Iterable[object] = (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    )
    found: set[str] = set()
    for item in items:
        found |= _texts(item)
    return found


def _replace(value: object, by: Mapping[str, str]) -> object:
    if isinstance(value, str):
        return by.get(value, value)
    if isinstance(value, dict):
        return {key: _replace(item, by) for key, item in value.items()}
    return [_replace(item, by) for item in value] if isinstance(value, list) else value


def _cut(text: str, room: int) -> str:
    """Return the longest head of *text* whose JSON form, without its quotes, takes at most *room* bytes."""
    if len(dumps(text)) - 2 <= room:
        return text
    low, high = 0, min(len(text), room)
    while low < high:
        middle = (low + high + 1) // 2
        if len(dumps(text[:middle])) - 2 <= room:
            low = middle
        else:
            high = middle - 1
    return text[:low]
