"""The endpoints: one row of ENDPOINTS each, with a function that answers, or the skin in which a model does.

An endpoint gets the request as recorded, the ledger and the options, and returns an Answer. The key was
checked before.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus

from or_audit_logging.testing.openrouter.calls import Call, Options, RecordedRequest
from or_audit_logging.testing.openrouter.chat import Chat, Completions
from or_audit_logging.testing.openrouter.embeddings import Embeddings
from or_audit_logging.testing.openrouter.errors import JSON_TYPE, plain_error
from or_audit_logging.testing.openrouter.generations import (
    Ledger,
    activity_rows,
    generation_document,
    key_document,
)
from or_audit_logging.testing.openrouter.http import Answer, Send
from or_audit_logging.testing.openrouter.messages import Messages
from or_audit_logging.testing.openrouter.replies import Json, compose
from or_audit_logging.testing.openrouter.responses import Responses
from or_audit_logging.testing.openrouter.scenarios import SCENARIOS, scenario_for
from or_audit_logging.testing.openrouter.skin import Skin, encode


@dataclass(frozen=True)
class Endpoint:
    """What answers one method and path; *skin*: a model does, and each request gets a generation id."""

    answer: Callable[[RecordedRequest, Ledger, Options], Answer]
    skin: Skin | None = None


def inference(skin: Skin, request: RecordedRequest, ledger: Ledger, options: Options) -> Answer:
    """Return the answer of the scenario that the model names; enter in the ledger how it ended."""
    body = request.body
    if not isinstance(body, dict) or not isinstance(body.get("model"), str) or request.generation_id is None:
        return plain_error(400, "No models provided", skin)
    model, streamed = body["model"], body.get("stream") is True
    scenario = scenario_for(model, skin, streamed=streamed)
    ordinary = model.rpartition("/")[2] not in SCENARIOS
    reply = compose(body, choices=skin.choices(body), ordinary=ordinary, text=options.reply)
    call = Call(
        skin=skin,
        generation_id=request.generation_id,
        created=options.clock(),
        request=request,
        reply=scenario.reply(reply, body),
        attempt=ledger.next_attempt(f"{request.path} {model}"),
        options=options,
    )
    answer = scenario.answer(call)
    if scenario.billed and answer.status == HTTPStatus.OK:
        return replace(answer, settle=partial(ledger.enter, call))
    return answer


def generation(request: RecordedRequest, ledger: Ledger, options: Options) -> Answer:
    """Return what is known about a past call, to the key that made it."""
    generation_id = request.query.get("id", "")
    found = ledger.find(generation_id)
    if found is None:
        return plain_error(404, f"Generation {generation_id} not found")
    if found.call.request.key != request.key:
        return plain_error(403, "This generation belongs to another user")
    return _data(generation_document(found))


def key(request: RecordedRequest, ledger: Ledger, options: Options) -> Answer:
    """Return what the request's key has spent."""
    return _data(key_document(request.key, ledger.of_key(request.key), options))


def activity(request: RecordedRequest, ledger: Ledger, options: Options) -> Answer:
    """Return what the account has spent, to a management key."""
    if options.management_key is None or request.key != options.management_key:
        return plain_error(403, "Only management keys can fetch activity for an account")
    return _data(activity_rows(ledger.all(), request.query.get("date"), options.clock()))


def speaking(skin: Skin) -> Endpoint:
    """Return the row of an endpoint at which a model answers in *skin*."""
    return Endpoint(partial(inference, skin), skin)


ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("POST", "/api/v1/chat/completions"): speaking(Chat()),
    ("POST", "/api/v1/completions"): speaking(Completions()),
    ("POST", "/api/v1/responses"): speaking(Responses()),
    ("POST", "/api/v1/messages"): speaking(Messages()),
    ("POST", "/api/v1/embeddings"): speaking(Embeddings()),
    ("GET", "/api/v1/generation"): Endpoint(generation),
    ("GET", "/api/v1/key"): Endpoint(key),
    ("GET", "/api/v1/activity"): Endpoint(activity),
}


def _data(document: Json | list[Json]) -> Answer:
    return Answer(200, JSON_TYPE, (Send(encode({"data": document})),))
