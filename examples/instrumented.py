"""An instrumented client: every call leaves its audit record, streams and retries included.

    pip install 'or-audit-logging[demo]'
    export OPENROUTER_API_KEY=...                     # yours
    eval "$(or-audit init audit_logs | grep ^export)" # a key for the log, once
    python examples/instrumented.py
    or-audit verify audit_logs --unanchored-ok

OPENROUTER_BASE_URL may name another server that speaks the API.
"""

import os

from openai import OpenAI

from or_audit_logging import audited, bind, configure, instrument

configure("audit_logs")

client = instrument(
    OpenAI(
        base_url=os.environ.get("OPENROUTER_BASE_URL", "https://openrouter.ai/api/v1"),
        api_key=os.environ["OPENROUTER_API_KEY"],
    )
)
MODEL = "openai/gpt-4o-mini"


def asking(text):
    return [{"role": "user", "content": text}]


# 1. As ever: the client is the same object, and its answers are the SDK's.
with bind(user_id="u-42", session_id="example"):
    answer = client.chat.completions.create(
        model=MODEL, messages=asking("What is an audit trail, in one sentence?")
    )
print(answer.choices[0].message.content)

# 2. A stream is recorded when it ends, or when it is left.
with client.chat.completions.create(model=MODEL, messages=asking("Count to five."), stream=True) as stream:
    for chunk in stream:
        for choice in chunk.choices:
            print(choice.delta.content or "", end="")
print()


# 3. A decorated function that returns only the text: one record, with the facts of the call inside.
@audited
def translate(text, *, user_id):
    answer = client.chat.completions.create(model=MODEL, messages=asking(f"In French: {text}"))
    return answer.choices[0].message.content


print(translate("good morning", user_id="u-43"))
client.close()
