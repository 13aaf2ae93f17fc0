"""The openrouter SDK with an audit record for each call.

    pip install or-audit-logging openrouter
    export OPENROUTER_API_KEY=...                     # yours
    eval "$(or-audit init audit_logs | grep ^export)" # a key for the log, once
    python examples/openrouter_sdk.py
    or-audit verify audit_logs --unanchored-ok

OPENROUTER_BASE_URL may name another server that speaks the API.
"""

import os
import sys

from or_audit_logging import bind, configure, instrument

try:
    from openrouter import OpenRouter
except ImportError:
    sys.exit("This example needs the openrouter SDK: pip install openrouter")

configure("audit_logs")

MESSAGES = [{"role": "user", "content": "What is an audit trail, in one sentence?"}]

with OpenRouter(
    api_key=os.environ["OPENROUTER_API_KEY"],
    server_url=os.environ.get("OPENROUTER_BASE_URL", "https://openrouter.ai/api/v1"),
) as sdk:
    instrument(sdk)

    with bind(session_id="example", feature="openrouter-sdk"):
        answer = sdk.chat.send(model="openai/gpt-4o-mini", messages=MESSAGES, user="u-42")
    print(answer.choices[0].message.content)

    with sdk.chat.send(model="openai/gpt-4o-mini", messages=MESSAGES, user="u-42", stream=True) as events:
        for event in events:
            for choice in event.choices:
                print(choice.delta.content or "", end="")
    print()
