"""POST /embeddings: numbers for texts, never streamed. They mean nothing; the same text gets the same."""

import base64
import struct
from collections.abc import Mapping
from typing import Any

from or_audit_logging.testing.openrouter.calls import Call
from or_audit_logging.testing.openrouter.replies import Json, digest, turns
from or_audit_logging.testing.openrouter.skin import Skin, costs

_DIMENSIONS, _MOST_DIMENSIONS = 8, 4096


class Embeddings(Skin):
    """POST /embeddings."""

    api_type = "embeddings"
    content = "data"

    def choices(self, body: Mapping[str, Any]) -> int:
        return 0

    def document(self, call: Call) -> Json:
        return {
            "id": call.generation_id,
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": _encoded(call.body, text)}
                for index, text in enumerate(turns(call.body.get("input")))
            ],
            "model": call.reply.model,
            "provider": call.reply.provider,
            "usage": {
                "prompt_tokens": call.reply.prompt_tokens,
                "total_tokens": call.reply.prompt_tokens,
                **costs(call.reply),
            },
        }


def _encoded(body: Mapping[str, Any], text: Any) -> list[float] | str:
    """Return the vector of *text* in the encoding that *body* asks for; the openai SDK asks for base64."""
    wanted = body.get("dimensions")
    count = wanted if isinstance(wanted, int) and 1 <= wanted <= _MOST_DIMENSIONS else _DIMENSIONS
    # Sixteenths have the same value as 32 bits, as 64 bits and as decimals.
    vector = [(digest([text, place]) % 33 - 16) / 16 for place in range(count)]
    if body.get("encoding_format") != "base64":
        return vector
    return base64.b64encode(struct.pack(f"<{count}f", *vector)).decode()
