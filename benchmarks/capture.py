"""What an audit record costs the caller: a bare openai client and audited ones, in turn, on a mock transport.

    pip install '.[demo]'                                       # and, for the comparison:
    pip install opentelemetry-sdk opentelemetry-instrumentation-genai-openai
    python benchmarks/capture.py [ROUNDS]

Everything is included: hashes, redaction, seal, file write, checkpoints. Each round runs a burst of every
variant; the figure is the median over the rounds of the burst's time per call, less the bare client's of the
same round. OpenTelemetry's spans go through its batch processor to a file.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai

from or_audit_logging import AuditFileHandler, RedactionFilter, audited, instrument

BURST = 40
CHUNKS = 10
MESSAGES = [
    {"role": "system", "content": "You answer in one sentence."},
    {"role": "user", "content": "What is an audit trail, and who reads it? " * 8},
]
USAGE = {
    "prompt_tokens": 110,
    "completion_tokens": 20,
    "total_tokens": 130,
    "cost": 8.41005e-05,
    "is_byok": False,
    "cost_details": {"upstream_inference_cost": 8.41005e-05},
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
}
HEAD = {
    "id": "gen-1795277414-aBcDeFgHiJkLmNoPqRsT",
    "model": "openai/gpt-4o-mini-2024-07-18",
    "provider": "OpenAI",
}


def completion() -> bytes:
    message = {"role": "assistant", "content": "A record of who did what, read by those who must know. " * 2}
    choice = {"index": 0, "finish_reason": "stop", "native_finish_reason": "stop", "message": message}
    return json.dumps(
        HEAD | {"object": "chat.completion", "created": 1795277414, "choices": [choice], "usage": USAGE}
    ).encode()


def stream() -> bytes:
    head = HEAD | {"object": "chat.completion.chunk", "created": 1795277414}
    events = []
    for number in range(CHUNKS):
        delta = {"role": "assistant", "content": f"word {number} "}
        last = number == CHUNKS - 1
        event = head | {"choices": [{"index": 0, "delta": delta, "finish_reason": "stop" if last else None}]}
        events.append(event | ({"usage": USAGE} if last else {}))
    return (
        b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"
    )


def client() -> Any:
    """Return an openai client whose transport answers from memory."""
    http = importlib.import_module("httpx2" if int(openai.__version__.split(".")[0]) >= 3 else "httpx")
    answer, chunks = completion(), stream()

    def respond(request: Any) -> Any:
        streamed = b'"stream":true' in request.content.replace(b" ", b"")
        kind = "text/event-stream" if streamed else "application/json"
        headers = {"content-type": kind, "x-generation-id": HEAD["id"]}
        return http.Response(200, headers=headers, content=chunks if streamed else answer)

    return openai.OpenAI(
        api_key="sk-or-v1-fake",
        base_url="http://127.0.0.1/api/v1",
        http_client=http.Client(transport=http.MockTransport(respond)),
    )


def call(own: Any) -> None:
    own.chat.completions.create(model="openai/gpt-4o-mini", messages=MESSAGES)


def call_stream(own: Any) -> None:
    for _ in own.chat.completions.create(model="openai/gpt-4o-mini", messages=MESSAGES, stream=True):
        pass


@contextlib.contextmanager
def opentelemetry(folder: Path) -> Iterator[Callable[[bool], None] | None]:
    """Yield a switch for OpenTelemetry's instrumentation of all clients, None where it is not installed."""
    try:
        from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
    except ImportError:
        yield None
        return
    with open(folder / "spans.jsonl", "w", encoding="utf-8") as out:
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(out=out)))
        instrumentor = OpenAIInstrumentor()

        def switch(on: bool) -> None:
            if on:
                instrumentor.instrument(tracer_provider=provider)
            else:
                instrumentor.uninstrument()

        yield switch
        provider.shutdown()


def burst(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    for _ in range(BURST):
        work()
    return (time.perf_counter() - start) / BURST * 1e6


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    os.environ["OR_AUDIT_KEY"] = "a fake key for the benchmark: 0123456789"
    with tempfile.TemporaryDirectory() as name, opentelemetry(Path(name)) as otel:
        handler = AuditFileHandler(Path(name) / "audit_logs" / "audit.jsonl")
        handler.addFilter(RedactionFilter())
        logger = logging.getLogger("openrouter.audit")
        logger.addHandler(handler)
        logger.propagate = False
        bare, instrumented = client(), instrument(client())

        @audited(user_id="u-42", metadata={"feature": "faq"})
        def ask() -> Any:
            return bare.chat.completions.create(model="openai/gpt-4o-mini", messages=MESSAGES)

        variants: dict[str, Callable[[], object]] = {
            "call, bare": lambda: call(bare),
            "call, @audited": ask,
            "call, instrumented": lambda: call(instrumented),
            "stream, bare": lambda: call_stream(bare),
            "stream, instrumented": lambda: call_stream(instrumented),
        }
        peers = {
            "call, OpenTelemetry": lambda: call(bare),
            "stream, OpenTelemetry": lambda: call_stream(bare),
        }
        times: dict[str, list[float]] = {name: [] for name in [*variants, *(peers if otel else ())]}
        for round_ in range(rounds + 3):
            for variant, work in variants.items():
                taken = burst(work)
                times[variant].append(taken)
            if otel is not None:
                otel(True)
                for variant, work in peers.items():
                    times[variant].append(burst(work))
                otel(False)
            if round_ == 2:
                for warm in times.values():
                    warm.clear()
        handler.close()
    report(times, rounds)


def report(times: dict[str, list[float]], rounds: int) -> None:
    print(
        f"Python {platform.python_version()}, openai {openai.__version__}, {rounds} rounds of {BURST}, "
        f"{time.strftime('%Y-%m-%d')}; microseconds per call, median"
    )
    over: dict[str, float] = {}
    for variant, own in times.items():
        kind = variant.split(",")[0]
        base = times[f"{kind}, bare"]
        over[variant] = statistics.median(one - reference for one, reference in zip(own, base, strict=True))
        print(f"{statistics.median(own):9.1f}  {over[variant]:+9.1f}  {variant}")
    chunks = (over["stream, instrumented"] - over["call, instrumented"]) / CHUNKS
    print(f"per chunk of a stream of {CHUNKS}, beyond the call's own: {chunks:.1f}")
    for kind in ("call", "stream"):
        if f"{kind}, OpenTelemetry" in over:
            ratio = over[f"{kind}, instrumented"] / over[f"{kind}, OpenTelemetry"]
            print(f"{kind}: {ratio:.2f} of OpenTelemetry's")


if __name__ == "__main__":
    main()
