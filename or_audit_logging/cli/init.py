"""`or-audit init DIR`: a key outside the log's folder, and the configuration that names it."""

from __future__ import annotations

import argparse
import json
import os
import pprint
import secrets
import shlex
from pathlib import Path
from typing import Any

from or_audit_logging.cli.output import paint, printable
from or_audit_logging.errors import ConfigError
from or_audit_logging.keys import read_secret
from or_audit_logging.log.folder import check_folder
from or_audit_logging.log.segments import LogLayout

HELP = "make a key for a new log and print the configuration that uses it"


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "init",
        help=HELP,
        description=HELP.capitalize() + ".",
        epilog="example: or-audit init audit_logs --key-file ~/.config/or-audit/audit.key",
    )
    parser.add_argument("directory", metavar="DIR", help="the log's folder; made (0700) where it is missing")
    parser.add_argument(
        "--key-file",
        metavar="FILE",
        help="where to make the key, outside DIR (default: DIR.key beside it); an existing key is kept",
    )
    parser.add_argument(
        "--format", choices=("python", "json", "yaml"), default="python", help="of the configuration printed"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make folder and key, print what to do with them."""
    folder = Path(options.directory).expanduser().absolute()
    key_file = Path(options.key_file or f"{folder}.key").expanduser().absolute()
    if key_file.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(
            f"{key_file} is inside the log's folder; whoever copies the log must not copy its key"
        )
    layout = LogLayout.discover(folder) or LogLayout.from_filename(folder / "audit.jsonl")
    check_folder(layout)
    made = make_key(key_file)
    read_secret(f"file:{key_file}")
    print(f"# {'New key' if made else 'Key already there, kept'}: {printable(str(key_file))}")
    print("# Keep a copy where the log's writers cannot change it, and never in version control:")
    print("# without it nobody can check the seals. Commands and configure() find it through")
    print(f"export OR_AUDIT_KEY_FILE={shlex.quote(str(key_file))}\n")
    print(paint("# Run that line, and configure() needs no more. Or configure logging yourself:", "dim"))
    print(render(configuration(layout, key_file), options.format))
    print(paint("\n# Then decorate the function that calls the model with @or_audit_logging.audited.", "dim"))
    return 0


def make_key(path: Path) -> bool:
    """Make a key file (0600) at *path*; return False where one is there already."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with open(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(48) + "\n")
    return True


def configuration(layout: LogLayout, key_file: Path) -> dict[str, Any]:
    """Return the `dictConfig` for a log of *layout* under the key in *key_file*."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"redact": {"()": "or_audit_logging.RedactionFilter"}},
        "handlers": {
            "audit": {
                "class": "or_audit_logging.AuditFileHandler",
                "filename": str(layout.folder / f"{layout.stem}{layout.suffix}"),
                "key": f"file:{key_file}",
                "filters": ["redact"],
            }
        },
        "loggers": {"openrouter.audit": {"level": "INFO", "handlers": ["audit"], "propagate": False}},
    }


def render(config: dict[str, Any], style: str) -> str:
    """Return *config* as Python, JSON or YAML."""
    if style == "json":
        return json.dumps(config, indent=2)
    if style == "yaml":
        return "\n".join(_yaml(config, 0))
    body = pprint.pformat(config, sort_dicts=False, width=100)
    indented = body.replace("\n", "\n    ")
    return f"import logging.config\n\nlogging.config.dictConfig(\n    {indented}\n)"


def _yaml(value: dict[str, Any], depth: int) -> list[str]:
    """Return a nested dict as YAML lines; scalars and lists in their JSON form, which YAML reads too."""
    lines = []
    for key, item in value.items():
        name = f"{'  ' * depth}{json.dumps(key) if key == '()' else key}:"
        if isinstance(item, dict):
            lines += [name, *_yaml(item, depth + 1)]
        else:
            lines.append(f"{name} {json.dumps(item)}")
    return lines
