"""`or-audit init DIR`: keys outside the log's folder, and the configuration that names them."""

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
from or_audit_logging.sealing.note import PublicKey, SigningKey
from or_audit_logging.signing_keys import read_public_key, read_signing_key

HELP = "make a key for a new log and print the configuration that uses it"


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "init",
        help=HELP,
        description=HELP.capitalize() + ".",
        epilog="example: or-audit init audit_logs --key-file ~/.config/or-audit/audit.key. "
        "Exit codes: 0 done, 2 could not.",
    )
    parser.add_argument("directory", metavar="DIR", help="the log's folder; made (0700) where it is missing")
    parser.add_argument(
        "--key-file",
        metavar="FILE",
        help="where to make the key, outside DIR (default: DIR.key beside it); an existing key is kept",
    )
    parser.add_argument(
        "--signing-key",
        metavar="FILE",
        help="also make a key that signs checkpoints, outside DIR, and FILE.pub for auditors beside it; "
        "an existing key is kept (needs the extra 'sign')",
    )
    parser.add_argument(
        "--format", choices=("python", "json", "yaml"), default="python", help="of the configuration printed"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make folder and key, print what to do with them."""
    folder = Path(options.directory).expanduser().absolute()
    key_file = Path(options.key_file or f"{folder}.key").expanduser().absolute()
    signing_file = Path(options.signing_key).expanduser().absolute() if options.signing_key else None
    for file in filter(None, (key_file, signing_file)):
        if file.resolve().is_relative_to(folder.resolve()):
            raise ConfigError(
                f"{file} is inside the log's folder; whoever copies the log must not copy its key"
            )
    layout = LogLayout.discover(folder) or LogLayout.from_filename(folder / "audit.jsonl")
    check_folder(layout)
    made = make_key(key_file)
    read_secret(f"file:{key_file}")
    signing_made = signing_file is not None and make_signing_key(signing_file)
    print(f"# {'New key' if made else 'Key already there, kept'}: {printable(str(key_file))}")
    print("# Keep a copy where the log's writers cannot change it, and never in version control:")
    print("# without it nobody can check the seals. Commands and configure() find it through")
    print(f"export OR_AUDIT_KEY_FILE={shlex.quote(str(key_file))}\n")
    if signing_file is not None:
        made_or_kept = "New signing key" if signing_made else "Signing key already there, kept"
        print(f"# {made_or_kept}: {printable(str(signing_file))}")
        print("# Give its public half to those who are to check the log without the secret:")
        print(f"# {printable(str(public_file(signing_file)))}\n")
    more = f"no more than signing_key='file:{signing_file}'" if signing_file is not None else "no more"
    print(
        paint(
            f"# Run that line, and configure() needs {printable(more)}. Or configure logging yourself:", "dim"
        )
    )
    print(render(configuration(layout, key_file, signing_file), options.format))
    print(paint("\n# Then decorate the function that calls the model with @or_audit_logging.audited.", "dim"))
    return 0


def make_key(path: Path) -> bool:
    """Make a key file (0600) at *path*; return False where one is there already."""
    return _make_file(path, secrets.token_urlsafe(48).encode("ascii") + b"\n", mode=0o600)


def make_signing_key(path: Path) -> bool:
    """Make a signing key (0600) at *path* and its public half beside it; return False where a key is there.

    Raises `ConfigError` where what is there is no signing key, or the public half is another key's.
    """
    made = not path.exists() and _make_file(path, SigningKey.generate().to_pem(), mode=0o600)
    public = read_signing_key(f"file:{path}").public
    beside = public_file(path)
    if not _make_file(beside, public.to_pem().encode("ascii"), mode=0o644):
        found: PublicKey = read_public_key(f"file:{beside}")
        if found.public != public.public:
            raise ConfigError(f"{beside} is there already and is not the public half of {path}")
    return made


def public_file(signing_file: Path) -> Path:
    """Return where the public half of *signing_file* stands."""
    return signing_file.with_name(f"{signing_file.name}.pub")


def _make_file(path: Path, content: bytes, *, mode: int) -> bool:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return False
    with open(descriptor, "wb") as file:
        file.write(content)
    return True


def configuration(layout: LogLayout, key_file: Path, signing_file: Path | None = None) -> dict[str, Any]:
    """Return the `dictConfig` for a log of *layout* under the key in *key_file*."""
    signing = {"signing_key": f"file:{signing_file}"} if signing_file is not None else {}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"redact": {"()": "or_audit_logging.RedactionFilter"}},
        "handlers": {
            "audit": {
                "class": "or_audit_logging.AuditFileHandler",
                "filename": str(layout.folder / f"{layout.stem}{layout.suffix}"),
                "key": f"file:{key_file}",
                **signing,
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
