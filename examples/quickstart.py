"""A question to a model through OpenRouter, with its audit record.

    pip install 'or-audit-logging[demo]'
    export OPENROUTER_API_KEY=...                     # yours
    eval "$(or-audit init audit_logs | grep ^export)" # a key for the log, once
    python examples/quickstart.py
    or-audit verify audit_logs --unanchored-ok

OPENROUTER_BASE_URL may name another server that speaks the API.
"""

import os

from openai import OpenAI

from or_audit_logging import audited, bind, configure

configure("audit_logs")

client = OpenAI(
    base_url=os.environ.get("OPENROUTER_BASE_URL", "https://openrouter.ai/api/v1"),
    api_key=os.environ["OPENROUTER_API_KEY"],
)


@audited
def ask(messages, model="openai/gpt-4o-mini", *, user_id=None):
    return client.chat.completions.create(model=model, messages=messages)


with bind(session_id="example", feature="quickstart"):
    answer = ask([{"role": "user", "content": "What is an audit trail, in one sentence?"}], user_id="u-42")

print(answer.choices[0].message.content)
client.close()
