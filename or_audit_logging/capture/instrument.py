"""`instrument`: an audit record for every call that an SDK's client makes. The client stays what it is.

    client = instrument(OpenAI(base_url="https://openrouter.ai/api/v1", api_key=...))     # the same object
    client.chat.completions.create(model=..., messages=...)                               # one record
    uninstrument(client)                                                                  # as before

For the openai SDK (1.x to 3.x) and the openrouter SDK, sync and async: chat completions, legacy completions,
responses and embeddings; parsed, streamed and raw; retries are one record. Only calls that create something
are recorded. Arguments, results and exceptions are the SDK's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar

from or_audit_logging.capture.entrance import Extract, entrance
from or_audit_logging.capture.openai_client import hook_openai, is_openai, unhook_openai
from or_audit_logging.capture.openrouter_client import hook_openrouter, is_openrouter, unhook_openrouter
from or_audit_logging.capture.options import options_for
from or_audit_logging.errors import ConfigError

C = TypeVar("C")


def instrument(
    client: C,
    *,
    logger: str = "openrouter.audit",
    event_type: str | None = None,
    user_id: str | None = None,
    metadata: Mapping[str, object] | None = None,
    hash: Literal["hmac", "sha256"] = "hmac",  # noqa: A002 - what it is
    content: Literal["redacted"] | None = None,
    write_ahead: bool = False,
    extract: Extract | None = None,
    transport: bool = True,
    router_metadata: bool = False,
) -> C:
    """Return *client*, with an audit record for each of its calls; a second time only changes the options.

    Model, prompt, user, session and metadata are read from the request's body as it is sent; *user_id* stands
    for calls that name no user, and *metadata* is added to every record. *extract* takes the body and returns
    a dict of user_id, session_id, ... that goes before. *event_type*: by default it follows from the path.
    *transport* puts hooks on the client's HTTP client too: they count attempts, keep the generation id of an
    answer that is cut off, and read what SDK objects drop. *router_metadata* adds a request header, with
    which OpenRouter tells how it chose the provider; nothing else in a request is ever changed.

    Raises `ConfigError` for wrong options and for a client that is not known.
    """
    options = options_for(
        "instrument",
        logger=logger,
        event_type=event_type,
        user_id=user_id,
        metadata=metadata,
        hash=hash,
        content=content,
        write_ahead=write_ahead,
    )
    way = entrance(options, event_type=event_type, extract=extract)
    if is_openai(client):
        hook_openai(client, way, transport=transport, router_metadata=router_metadata)
    elif is_openrouter(client):
        hook_openrouter(client, way, transport=transport, router_metadata=router_metadata)
    else:
        raise ConfigError(_unknown("instrument", client))
    return client


def uninstrument(client: C) -> C:
    """Return *client* as it was before `instrument`; copies made of it in between stay instrumented."""
    if is_openai(client):
        unhook_openai(client)
    elif is_openrouter(client):
        unhook_openrouter(client)
    else:
        raise ConfigError(_unknown("uninstrument", client))
    return client


def _unknown(who: str, client: object) -> str:
    return (
        f"{who} takes a client of the openai SDK (OpenAI, AsyncOpenAI) or of the openrouter SDK "
        f"(OpenRouter); this is {type(client).__name__}. For clients of httpx, httpx2 and requests there is "
        "audit_transport, for functions that call something else @audited"
    )
