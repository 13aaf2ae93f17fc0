"""`or-audit doctor [DIR]`: what would keep records from being kept, and what to do about it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from or_audit_logging.cli.opening import add_key_argument
from or_audit_logging.cli.output import paint, printable
from or_audit_logging.errors import ConfigError
from or_audit_logging.evidence.doctor import Check, diagnose
from or_audit_logging.openrouter import BASE_URL

HELP = "look for what would keep records from being kept"

_STYLES = {"ok": "green", "warning": "yellow", "problem": "red", "unknown": "dim"}


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "doctor",
        help=HELP,
        description=HELP.capitalize() + ": keys, folder, file system, clock, logging, and what the log's own "
        "lines tell. Nothing is changed, and nobody on the network is asked without --online. Run it as the "
        "user that the application runs as.",
        epilog="exit codes: 0 no problem (there may be warnings), 1 a problem, 2 could not look. "
        "example: or-audit doctor audit_logs --config logging.json --anchor /mnt/elsewhere/audit.anchors",
    )
    parser.add_argument("log", metavar="DIR", nargs="?", help="the log's folder")
    add_key_argument(parser)
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="the application's dictConfig as JSON or YAML; it is read, not applied",
    )
    parser.add_argument(
        "--anchor",
        metavar="FILE|DIR",
        action="append",
        default=[],
        help="where copies of checkpoints are kept; may be given again",
    )
    parser.add_argument("--report", metavar="FILE", help="where the last 'or-audit verify --json' was kept")
    parser.add_argument("--online", action="store_true", help="also ask OpenRouter whether it takes the key")
    parser.add_argument(
        "--api-key",
        metavar="KEY",
        help="env:NAME or file:PATH of the OpenRouter key (default: env:OPENROUTER_API_KEY)",
    )
    parser.add_argument("--base-url", metavar="URL", default=BASE_URL, help=f"default: {BASE_URL}")
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Look, and say what was found."""
    checks = diagnose(
        options.log,
        key=options.key,
        api_key=options.api_key,
        online=options.online,
        base_url=options.base_url,
        anchors=options.anchor,
        report=options.report,
        config=_read_config(Path(options.config)) if options.config else None,
    )
    if options.json:
        print(json.dumps([check.to_dict() for check in checks], indent=2))
    else:
        for check in checks:
            _print(check)
    return 1 if any(check.state == "problem" for check in checks) else 0


def _print(check: Check) -> None:
    print(f"{paint(f'{check.state:<8}', _STYLES[check.state])} {check.name:<15} {printable(check.found)}")
    if check.advice is not None:
        print(f"{'':24} -> {printable(check.advice)}")


def _read_config(path: Path) -> Mapping[str, object]:
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"the configuration {path} cannot be read: {error.strerror}") from error
    try:
        config = _from_yaml(text) if path.suffix in (".yaml", ".yml") else json.loads(text)
    except ValueError as error:
        raise ConfigError(f"the configuration {path} cannot be parsed: {error}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"the configuration {path} is no mapping for logging.config.dictConfig")
    return config


def _from_yaml(text: str) -> object:
    try:
        import yaml
    except ImportError:
        raise ConfigError(
            "to read a YAML configuration, run: pip install PyYAML; or give it as JSON"
        ) from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
