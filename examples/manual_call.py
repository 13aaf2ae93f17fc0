"""Calls without decorator: a ready client, a call recorded by hand, and one that was made elsewhere.

    pip install 'or-audit-logging[demo]'
    export OPENROUTER_API_KEY=...                     # yours
    eval "$(or-audit init audit_logs | grep ^export)" # a key for the log, once
    python examples/manual_call.py
    or-audit verify audit_logs --unanchored-ok

OPENROUTER_BASE_URL may name another server that speaks the API.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import requests

from or_audit_logging import (
    AuditedOpenRouter,
    AuditRecord,
    audit_call,
    bind,
    carry_context,
    configure,
    emit,
)

BASE_URL = os.environ.get("OPENROUTER_BASE_URL", "https://openrouter.ai/api/v1")
MODEL = "openai/gpt-4o-mini"

configure("audit_logs")


def ask_without_an_sdk(messages):
    """Return the JSON of an answer, by whatever means: here with requests."""
    response = requests.post(
        f"{BASE_URL}/chat/completions",
        json={"model": MODEL, "messages": messages},
        headers={"Authorization": f"Bearer {os.environ['OPENROUTER_API_KEY']}"},
        timeout=60,
    )
    response.raise_for_status()
    return response.json()


# A ready client: one record for each chat. bind says who asks, carry_context takes that into the threads.
with (
    AuditedOpenRouter(base_url=BASE_URL, app_title="Example", model=MODEL) as client,
    bind(user_id="u-42", session_id="example"),
    ThreadPoolExecutor(2) as pool,
):
    ask = carry_context(lambda question: client.chat(question, user_id=None))
    for text in pool.map(ask, ["What is an audit trail?", "Who reads one?"]):
        print(text)

# A call of your own: the block is the call. write_ahead leaves a record even if the process is killed in it.
messages = [{"role": "user", "content": "How long is an audit trail kept?"}]
with audit_call(model=MODEL, messages=messages, user_id="u-42", write_ahead=True) as call:
    answer = call.response(ask_without_an_sdk(messages))
    call.set(answers=len(answer["choices"]))
print(answer["choices"][0]["message"]["content"])

# A call that another program made, from its own notes.
emit(
    AuditRecord.build(
        model=MODEL, user_id="u-7", status="timeout", latency_ms=60_000, metadata={"from": "batch"}
    )
)
