"""Other handlers beside the sealed log, on the same logger: a JSON stream, syslog, Google's and watchtower's.

    pip install 'or-audit-logging[demo]' google-cloud-logging watchtower    # the last two as you have them
    export OPENROUTER_API_KEY=...                     # yours
    eval "$(or-audit init audit_logs | grep ^export)" # a key for the log, once
    SYSLOG_PORT=514 python examples/beside_others.py  # CLOUDWATCH_GROUP=... for watchtower
    or-audit verify audit_logs --unanchored-ok

Each stands behind a RedactingHandler, which gives it a redacted copy of its own, and has an
AuditJsonFormatter for flat JSON. What they lose or change is no matter for the sealed log.
"""

import logging.config
import os
from importlib.util import find_spec

from openai import OpenAI

from or_audit_logging import audited


def beside(target):
    """Return the configuration of a handler of others that stands beside ours."""
    return {"()": "or_audit_logging.RedactingHandler", "target": target, "formatter": "json"}


handlers = {
    "audit": {"class": "or_audit_logging.AuditFileHandler", "filename": "audit_logs/audit.jsonl"},
    "stdout": beside({"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}),
    "syslog": beside(
        {
            "class": "logging.handlers.SysLogHandler",
            "address": ["localhost", int(os.environ.get("SYSLOG_PORT", "514"))],
        }
    ),
}
if find_spec("google") and find_spec("google.cloud") and find_spec("google.cloud.logging_v2"):
    handlers["google"] = beside(
        {"class": "google.cloud.logging_v2.handlers.StructuredLogHandler", "stream": "ext://sys.stderr"}
    )
if find_spec("watchtower") and "CLOUDWATCH_GROUP" in os.environ:
    handlers["cloudwatch"] = beside(
        {"class": "watchtower.CloudWatchLogHandler", "log_group_name": os.environ["CLOUDWATCH_GROUP"]}
    )

logging.config.dictConfig(
    {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "or_audit_logging.AuditJsonFormatter"}},
        "handlers": handlers,
        "loggers": {"openrouter.audit": {"level": "INFO", "handlers": list(handlers), "propagate": False}},
    }
)
client = OpenAI(
    base_url=os.environ.get("OPENROUTER_BASE_URL", "https://openrouter.ai/api/v1"),
    api_key=os.environ["OPENROUTER_API_KEY"],
)


@audited
def ask(messages, model="openai/gpt-4o-mini", *, user_id=None):
    return client.chat.completions.create(model=model, messages=messages)


ask([{"role": "user", "content": "Who else reads this?"}], user_id="ann@example.com")
logging.getLogger("openrouter.audit").warning(
    "asked for %s with %s", "ann@example.com", client.api_key, extra={"waited": 0.25, "tries": 2}
)
client.close()
