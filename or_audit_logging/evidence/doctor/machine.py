"""What is installed beside the core."""

from __future__ import annotations

import importlib.util

from or_audit_logging.evidence.doctor.check import Check

EXTRAS = {
    "sign": ("cryptography",),
    "fast": ("orjson", "re2"),
    "query": ("duckdb",),
    "progress": ("rich",),
    "aws": ("boto3",),
    "gcp": ("google.cloud.logging",),
}
"""The modules that each extra of the package brings."""


def check_extras() -> Check:
    """Look which extras are there, without importing them."""
    there = [extra for extra, modules in EXTRAS.items() if all(map(_is_there, modules))]
    missing = [extra for extra in EXTRAS if extra not in there]
    found = f"extras installed: {', '.join(there) or 'none'}; not installed: {', '.join(missing) or 'none'}"
    return Check("extras", "ok", found)


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False
