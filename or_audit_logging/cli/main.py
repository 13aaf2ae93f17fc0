"""`or-audit`: set up, verify, anchor, prove, ask and try out an audit log.

Exit codes: 0 done, 1 findings or refusals, 2 could not; `verify` adds 3, intact but unanchored.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence

from or_audit_logging.cli.output import complain
from or_audit_logging.errors import AuditError
from or_audit_logging.version import __version__

_MODULES = (
    *("init", "verify", "checkpoint", "anchors", "prove", "check_proof", "close_day", "rotate_key"),
    *("retain", "hold", "redact_record", "export"),
    *("query", "sql", "report", "import_", "ship", "settle", "reconcile"),
    *("redact", "token", "doctor", "demo"),
)
_COMMANDS = {module.rstrip("_").replace("_", "-"): module for module in _MODULES}


def parser(command: str | None = None) -> argparse.ArgumentParser:
    """Return the command line's parser; with the name of a *command*, of that one alone.

    Only what is parsed for is imported: programs start commands every minute, and wait for them.
    """
    top = argparse.ArgumentParser(
        prog="or-audit",
        description="The audit trail for LLM calls through OpenRouter.",
        epilog="Try it: or-audit demo",
    )
    top.add_argument("--version", action="version", version=f"or-audit {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in _MODULES if command is None else [_COMMANDS[command]]:
        importlib.import_module(f"or_audit_logging.cli.{module}").add_parser(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        options = parser(given[0] if given and given[0] in _COMMANDS else None).parse_args(given)
    except SystemExit as done:  # --help, --version, or arguments that argparse has complained about
        return int(done.code or 0)
    try:
        with _ended_in_order():
            code: int = options.run(options)
            sys.stdout.flush()
    except AuditError as error:
        complain(str(error))
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return 2
    except KeyboardInterrupt:
        complain("interrupted")
        return 2
    return code


@contextlib.contextmanager
def _ended_in_order() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a command as SIGINT does: it removes what it made for a while.

    Signals that somebody else handles or ignores stay as they are (nohup).
    """
    taken = []
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, signal.default_int_handler)
                taken.append(number)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
