"""Does OpenRouter answer, does it take the key, and what time does it have?"""

from __future__ import annotations

from datetime import timedelta

from or_audit_logging.errors import APIKeyError, ConfigError, GenerationError, UnavailableError
from or_audit_logging.evidence.doctor.check import Check
from or_audit_logging.hints import STATUS_PAGE
from or_audit_logging.keys import KeySource
from or_audit_logging.openrouter import BASE_URL, KeyUsage, OpenRouterAPI

_DIFFERENT = timedelta(seconds=5)


def check_online(api_key: KeySource | None = None, *, base_url: str = BASE_URL) -> list[Check]:
    """Ask for the key's own figures once, which costs nothing."""
    name = "openrouter"
    try:
        with OpenRouterAPI(api_key, base_url=base_url, retries=1) as api:
            try:
                checks = [_account(api.key())]
            except APIKeyError as error:
                checks = [Check(name, "problem", "OpenRouter answers and refuses the key", str(error))]
            except UnavailableError as error:
                checks = [Check(name, "problem", "OpenRouter does not answer", str(error))]
            except GenerationError as error:
                checks = [Check(name, "warning", "OpenRouter answers with an error", str(error))]
            if api.clock_ahead is not None:
                checks.append(_clock(api.clock_ahead))
            return checks
    except ConfigError as error:
        return [Check(name, "unknown", str(error), f"without a key there is only {STATUS_PAGE} to look at")]


def _account(usage: KeyUsage) -> Check:
    name, found = "openrouter", "OpenRouter answers and takes the key"
    if usage.limit_remaining is not None and usage.limit_remaining <= 0:
        return Check(
            name,
            "warning",
            f"{found}; nothing is left of the key's limit of {usage.limit:f} USD",
            "raise the limit at https://openrouter.ai/settings/keys, or calls are refused (402)",
        )
    return Check(name, "ok", found)


def _clock(ahead: timedelta) -> Check:
    if abs(ahead) > _DIFFERENT:
        seconds = abs(ahead).total_seconds()
        return Check(
            "clock-online",
            "warning",
            f"this machine's clock is {seconds:,.0f} s {'behind' if ahead > timedelta(0) else 'ahead of'} "
            "OpenRouter's",
            "set the clock by NTP: records, segments and retention go by it",
        )
    return Check("clock-online", "ok", "this machine's clock agrees with OpenRouter's")
