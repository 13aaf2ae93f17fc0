"""The targets, one module each. `open_target` finds the module by the name in front of the colon.

    open_target("cloudwatch:audit:host-1")      -> targets/cloudwatch.py, opened for the address audit:host-1

Each module has `open_target(address, options)`, which returns a `Target` and raises `ConfigError`, or
`MissingExtraError` where the target's library is not installed. Nothing is sent by opening.
"""

from __future__ import annotations

import difflib
import importlib
from dataclasses import replace

from or_audit_logging.errors import ConfigError
from or_audit_logging.keys import read_source
from or_audit_logging.ship.target import Target, TargetOptions

TARGETS = {
    "webhook": "webhook:https://collector.example/audit",
    "file": "file:/mnt/elsewhere/audit.jsonl",
    "stdout": "stdout",
    "cloudwatch": "cloudwatch:GROUP:STREAM",
    "gcp": "gcp:LOG",
    "s3": "s3:BUCKET/PREFIX",
    "splunk": "splunk:https://HOST:8088",
    "datadog": "datadog:SITE",
    "elastic": "elastic:https://HOST:9200/STREAM",
}
"""Each target's name, and how it is written."""


def open_target(text: str, options: TargetOptions | None = None) -> Target:
    """Return the target that *text*, `name[:address]`, names; raises `ConfigError`, `MissingExtraError`.

    An address that is a secret itself can stand elsewhere: `webhook:env:NAME`, `webhook:file:PATH`.
    """
    name, _, address = str(text).partition(":")
    if name not in TARGETS:
        known = ", ".join(TARGETS.values())
        raise ConfigError(f"there is no target {name!r}{_meant(name)}; targets are {known}")
    if name not in ("file", "stdout") and address.startswith(("env:", "file:")):
        content, _where = read_source(address, what=f"{name} address")
        address = content.decode("utf-8", "replace").strip()
        options = replace(options or TargetOptions(), hides_address=True)
    module = importlib.import_module(f"{__name__}.{name}")
    target: Target = module.open_target(address, options or TargetOptions())
    return target


def _meant(name: str) -> str:
    """Return what may have been meant by *name*, in brackets, as far as that can be guessed."""
    if name in ("http", "https"):
        return " (an address of your own is a webhook)"
    if "/" in name or "." in name:
        return " (a path is written file:PATH)"
    close = difflib.get_close_matches(name.lower(), TARGETS, 1)
    return f" (is {close[0]} meant?)" if close else ""
