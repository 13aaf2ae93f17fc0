"""OpenRouter's own account of past calls: what a generation cost, what a key and an account have spent.

    from or_audit_logging.openrouter import OpenRouterAPI

    with OpenRouterAPI("env:OPENROUTER_API_KEY") as api:
        api.generation("gen-1795277414-AbCdEfGhIjKlMnOpQrSt").total_cost      # Decimal, the wire's digits
        api.key().usage_daily
        api.activity(date(2026, 11, 20))                                       # needs a management key

Read in this order: `answers` (what comes back, as values), `pace` (when to ask), `api` (the asking).
"""

from or_audit_logging.openrouter.answers import ActivityRow, Generation, KeyUsage
from or_audit_logging.openrouter.api import BASE_URL, OpenRouterAPI

__all__ = ["BASE_URL", "ActivityRow", "Generation", "KeyUsage", "OpenRouterAPI"]
