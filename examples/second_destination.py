"""Checkpoints that arrive in two more places by configuration alone: syslog, and a JSON stream on root.

    pip install 'or-audit-logging[demo]'
    export OPENROUTER_API_KEY=...                     # yours
    eval "$(or-audit init audit_logs | grep ^export)" # a key for the log, once
    SYSLOG_PORT=514 python examples/second_destination.py > application.jsonl
    or-audit verify audit_logs --anchor application.jsonl

What the log service keeps of them is an anchor: it shows a log that was cut, rolled back or replaced here.
"""

import logging.config
import os

from openai import OpenAI

from or_audit_logging import audited

logging.config.dictConfig(
    {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "or_audit_logging.AuditJsonFormatter"}},
        "handlers": {
            "audit": {"class": "or_audit_logging.AuditFileHandler", "filename": "audit_logs/audit.jsonl"},
            "stdout": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stdout",
                "formatter": "json",
            },
            "syslog": {
                "class": "logging.handlers.SysLogHandler",
                "address": ["localhost", int(os.environ.get("SYSLOG_PORT", "514"))],
            },
        },
        "loggers": {
            "openrouter.audit": {"level": "INFO", "handlers": ["audit"], "propagate": False},
            "or_audit_logging.checkpoint": {"level": "INFO", "handlers": ["syslog"]},
        },
        "root": {"level": "WARNING", "handlers": ["stdout"]},
    }
)
client = OpenAI(
    base_url=os.environ.get("OPENROUTER_BASE_URL", "https://openrouter.ai/api/v1"),
    api_key=os.environ["OPENROUTER_API_KEY"],
)


@audited
def ask(messages, model="openai/gpt-4o-mini"):
    return client.chat.completions.create(model=model, messages=messages)


ask([{"role": "user", "content": "Who keeps a copy?"}])
client.close()
