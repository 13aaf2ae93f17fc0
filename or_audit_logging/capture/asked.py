"""`Asked`: what is known of a call before it is sent, fit for a record and safe from later changes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any
from uuid import UUID

from or_audit_logging.capture.arguments import Request
from or_audit_logging.capture.clean import Cleaner
from or_audit_logging.capture.content import excerpt
from or_audit_logging.capture.trouble import guarded
from or_audit_logging.context import Bound
from or_audit_logging.digest import DigestBy, prompt_digest

_ID_LIMIT = 1 << 64
_TRACE = "opentelemetry.trace"
_ON_THE_WIRE = ("model", "prompt_hash", "content", "streamed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What an entrance says of every call that goes through it."""

    user_id: str | None = None
    metadata: Mapping[str, object] | None = None


@dataclass(slots=True, kw_only=True)
class Asked:
    """The record's members about the request; no reference to the caller's objects is kept."""

    user_id: str | None = None
    session_id: str | None = None
    request_id: str | None = None
    model: str | None = None
    prompt_hash: str | None = None
    metadata: dict[str, object] | None = None
    streamed: bool | None = None
    trace_id: str | None = None
    span_id: str | None = None
    content: object = field(default=None, repr=False)


def asked(
    request: Request,
    *,
    bound: Bound,
    defaults: Defaults,
    clean: Cleaner,
    digest_by: DigestBy | None,
    with_content: bool = False,
) -> Asked:
    """Return what *request* says; then what is *bound* around it; then the entrance's *defaults*.

    Metadata of all three is merged. Ids may be text, whole numbers or UUIDs; other values are passed over.
    """
    user = _identifier(request.user_id, bound.user_id, defaults.user_id)
    session = _identifier(request.session_id, bound.session_id)
    layers = (defaults.metadata, bound.metadata, request.metadata)
    metadata = guarded("reading the metadata", _merged, layers)
    asks = request.prompt is not None
    traced = guarded("reading the trace", _trace) if _TRACE in sys.modules else None
    trace_id, span_id = traced or (None, None)
    return Asked(
        user_id=clean.person(user),
        session_id=clean.person(session),
        request_id=clean.label(_identifier(request.request_id, bound.request_id)),
        model=clean.label(request.model),
        prompt_hash=prompt_digest(request.prompt, digest_by) if asks and digest_by else None,
        metadata=clean.metadata(metadata) if metadata else None,
        streamed=request.streamed,
        trace_id=trace_id,
        span_id=span_id,
        content=_content(request.prompt, clean) if asks and with_content else None,
    )


def amended(
    before: Asked, request: Request, *, clean: Cleaner, digest_by: DigestBy | None, with_content: bool = False
) -> Asked:
    """Return *before* with what *request* says in its place; metadata is merged, the new names first."""
    new: dict[str, Any] = {
        "user_id": clean.person(_identifier(request.user_id)),
        "session_id": clean.person(_identifier(request.session_id)),
        "request_id": clean.label(_identifier(request.request_id)),
        "model": clean.label(request.model),
        "streamed": request.streamed,
    }
    if isinstance(request.metadata, Mapping):
        new["metadata"] = {**(before.metadata or {}), **(clean.metadata(request.metadata) or {})} or None
    if request.prompt is not None:
        new["prompt_hash"] = prompt_digest(request.prompt, digest_by) if digest_by else None
        new["content"] = _content(request.prompt, clean) if with_content else None
    return replace(before, **{name: value for name, value in new.items() if value is not None})


def _content(prompt: object, clean: Cleaner) -> object:
    return guarded("reading the prompt", lambda: clean.content(excerpt(prompt)))


def _merged(layers: tuple[object, ...]) -> dict[str, object]:
    out: dict[str, object] = {}
    for layer in layers:
        if isinstance(layer, Mapping):
            out.update(layer)
    return out


def completed(outer: Asked, inner: Asked) -> Asked:
    """Return *outer* with what it does not say taken from *inner*; metadata of both, the outer's first."""
    missing = {
        f.name: getattr(inner, f.name)
        for f in fields(outer)
        if getattr(outer, f.name) is None and getattr(inner, f.name) is not None
    }
    if outer.metadata and inner.metadata:
        missing["metadata"] = inner.metadata | outer.metadata
    return replace(outer, **missing) if missing else outer


def sent(outer: Asked, inner: Asked) -> Asked:
    """Return what *inner*, the call nearer to the wire, was sent; else as `completed` does."""
    wire = {name: value for name in _ON_THE_WIRE if (value := getattr(inner, name)) is not None}
    if "prompt_hash" in wire:
        wire["content"] = inner.content  # of the same prompt
    return completed(replace(outer, **wire), inner)


def _identifier(*candidates: object) -> str | None:
    for value in candidates:
        if isinstance(value, str) and value:
            return value
        if isinstance(value, UUID) or (type(value) is int and abs(value) < _ID_LIMIT):
            return str(value)
    return None


def _trace() -> tuple[str, str] | None:
    """Return the ids of OpenTelemetry's current span, where there is one."""
    context = sys.modules[_TRACE].get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return format(context.trace_id, "032x"), format(context.span_id, "016x")
