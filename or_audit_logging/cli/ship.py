"""`or-audit ship DIR --to TARGET`: bring a log's lines to whoever else is to have them."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from or_audit_logging.cli.opening import add_key_argument
from or_audit_logging.cli.output import complain, printable, progress, table, warn
from or_audit_logging.cli.values import day, positive, seconds
from or_audit_logging.errors import AuditError, ChainBrokenError, ConfigError
from or_audit_logging.projections import NAMES
from or_audit_logging.ship.beginning import NotBegunError, begun
from or_audit_logging.ship.cursor import STATE_FOLDER
from or_audit_logging.ship.delivery import MOST_REFUSED
from or_audit_logging.ship.shipped import Shipped
from or_audit_logging.ship.shipper import PATIENCE, Shipper
from or_audit_logging.ship.status import TargetStatus, ship_status
from or_audit_logging.ship.stopping import Stop
from or_audit_logging.ship.target import TargetOptions
from or_audit_logging.ship.targets import TARGETS, open_target

_UNTIL_BEGUN = 2.0
"""Seconds between looks at whether a log has begun."""
HELP = "ship a log to CloudWatch, Google, Splunk, Datadog, Elasticsearch, S3, a webhook, a file"


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "ship",
        help=HELP,
        description="Bring the lines of a log to a target, each at least once and in their order, and "
        "remember how far it came. An outage of the target costs time, not records. Lines are held "
        "against each other on the way; no key is needed, but for lifting legal holds in S3. Credentials "
        "come from the environment, or from files that it names (docs/targets.md).",
        epilog="targets: " + ", ".join(TARGETS.values()) + ". Exit codes: 0 delivered, 1 some lines were "
        "refused for good (they stand among the dead letters), or deleted before, or do not follow; 2 could "
        "not, and nothing is lost. "
        "example: or-audit ship audit_logs --to webhook:https://collector.example/audit",
    )
    parser.add_argument("log", metavar="DIR", help="the log's folder")
    parser.add_argument("--to", metavar="TARGET", help="name[:address]; see below")
    parser.add_argument(
        "--follow",
        action="store_true",
        help="go on with what comes, until SIGTERM or SIGINT; wait for outages",
    )
    parser.add_argument(
        "--status", action="store_true", help="say how far each target has the log, and its lag"
    )
    parser.add_argument(
        "--again",
        metavar="FILE",
        type=Path,
        help="send the lines that the dead letters in FILE name once more, and nothing else",
    )
    parser.add_argument("--format", choices=NAMES, help="default: the target's own")
    parser.add_argument(
        "--original", action="store_true", help="let other formats than native carry each sealed line as well"
    )
    parser.add_argument(
        "--since", metavar="DATE", type=day, help="where nothing was shipped yet: begin with that UTC day"
    )
    parser.add_argument(
        "--on-break",
        choices=("stop", "flag"),
        default="stop",
        help="lines that do not follow one another: stop there (default), or send them along with a notice",
    )
    parser.add_argument(
        "--patience",
        metavar="SECONDS",
        type=seconds,
        help=f"give up after so many seconds of failures in a row (default: {PATIENCE:.0f}; --follow: never)",
    )
    parser.add_argument(
        "--max-refused",
        metavar="N",
        type=positive,
        default=MOST_REFUSED,
        help=f"stop where so many lines in a row are refused and none is taken (default: {MOST_REFUSED})",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=seconds,
        default="30",
        help="wait so long for an answer (default: 30)",
    )
    add_key_argument(parser)
    parser.add_argument("--ca", metavar="FILE", type=Path, help="certificates that vouch for the target")
    parser.add_argument("--create", action="store_true", help="make a CloudWatch group that is not there")
    parser.add_argument(
        "--state", metavar="DIR", help="where cursors and dead letters stand (default: DIR/ship)"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ship, or say how far it came."""
    shipper: Shipper | None = None
    with contextlib.ExitStack() as stack:
        try:
            if options.status:
                if options.to is not None or options.follow or options.again is not None:
                    raise ConfigError(
                        "--status tells of all targets of a log; leave --to, --follow and --again out"
                    )
                return _print_status(ship_status(options.log, state=options.state), options)
            shipper = _opened(options, stack)
            if shipper is None:
                return 0
            if options.again is not None:
                shipped = shipper.again(options.again)
            else:
                shipped = shipper.follow() if options.follow else shipper.run()
        except BrokenPipeError:
            raise
        except (AuditError, OSError) as error:
            _print_error(error, shipper.shipped if shipper is not None else None, options)
            if not isinstance(error, ChainBrokenError):
                raise
            complain(f"{error}. Nothing behind it was shipped; --on-break flag ships it with a notice")
            return 2
    _print(shipped, options)
    if options.follow and not shipped.is_complete:  # stopped in order, while it waited for an outage to end
        return dataclasses.replace(shipped, is_complete=True).exit_code
    return shipped.exit_code


def _opened(options: argparse.Namespace, stack: contextlib.ExitStack) -> Shipper | None:
    """Return the shipper that signals stop, until *stack* ends; None where one came before the log begun."""
    if options.to is None:
        raise ConfigError("name a target with --to, such as webhook:https://collector.example/audit")
    if options.again is not None and (options.follow or options.since is not None):
        raise ConfigError("--again sends what FILE names, and then ends; leave --follow and --since out")
    if options.ca is not None and not options.ca.is_file():
        raise ConfigError(f"there is no file {options.ca}")
    if options.to.startswith("webhook:") and "?" in options.to:
        warn("others see the command line: an address that is a secret is named as webhook:env:NAME")
    patience = options.patience or (None if options.follow else PATIENCE)
    target_options = TargetOptions(
        create=options.create, ca_file=options.ca, timeout=options.timeout, key=options.key
    )
    if options.follow and not _waited_for_log(options, target_options):
        return None
    shipper = stack.enter_context(
        Shipper(
            options.log,
            options.to,
            state=options.state,
            format=options.format,
            original=options.original,
            since=options.since,
            on_break=options.on_break,
            patience=patience,
            most_refused=options.max_refused,
            options=target_options,
            told=warn,
            progress=stack.enter_context(progress("lines shipped")) or (lambda count: None),
        )
    )
    stack.enter_context(_stopped_by_signals(shipper.stop))
    return shipper


def _waited_for_log(options: argparse.Namespace, target_options: TargetOptions) -> bool:
    """Return true once the log has begun, which a service may be started before; false after a signal.

    Mistakes in the target are not waited with.
    """
    stopping, is_told = Stop(), False
    with _stopped_by_signals(stopping.set):
        while True:
            try:
                begun(options.log)
            except NotBegunError as error:
                if not is_told:
                    with contextlib.suppress(NotBegunError):
                        open_target(options.to, target_options).close()
                    warn(f"{error}; waiting until it begins")
                    is_told = True
                if stopping.wait(_UNTIL_BEGUN):
                    return False
            else:
                return True


@contextlib.contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let SIGTERM and SIGINT call *stop*, to end in order; let a second one end it at once."""

    def once(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.default_int_handler)
        stop()

    before = {number: signal.signal(number, once) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print(shipped: Shipped, options: argparse.Namespace) -> None:
    if options.to.partition(":")[0] == "stdout":  # which is taken
        return
    if options.json:
        print(json.dumps({**dataclasses.asdict(shipped), "exit_code": shipped.exit_code}, indent=2))
        return
    upto = f", up to seq {shipped.next_seq - 1}" if shipped.next_seq and options.again is None else ""
    print(f"delivered  {shipped.delivered:,} lines{upto}")
    for word, count in (("refused", shipped.dead_letters), ("deleted", shipped.deleted)):
        if count:
            print(f"{word:<10} {count:,} lines")
    for message in shipped.breaks:
        print(f"break      {printable(message)}")
    if not shipped.is_complete:
        print("stopped    what is left is shipped the next time")


def _print_error(error: AuditError | OSError, shipped: Shipped | None, options: argparse.Namespace) -> None:
    """Print *error* where JSON was asked for, with what was shipped before it, if that is known."""
    if not options.json or (options.to or "").partition(":")[0] == "stdout":
        return
    message = str(error)
    if isinstance(error, OSError) and error.filename:
        message = f"{error.filename}: {error.strerror}"
    before = dataclasses.asdict(dataclasses.replace(shipped, is_complete=False)) if shipped else {}
    print(json.dumps({**before, "exit_code": 2, "error": message}, indent=2))


def _print_status(found: list[TargetStatus], options: argparse.Namespace) -> int:
    for one in found:
        if one.problem is not None:
            complain(one.problem)
        if one.next_seq > one.end_seq:
            message = f"{one.target} has lines up to seq {one.next_seq - 1}"
            warn(f"{message}, and the log ends before; run or-audit verify")
    code = 2 if any(one.problem is not None for one in found) else 0
    if options.json:
        print(json.dumps([{**dataclasses.asdict(one), "behind": one.behind} for one in found], indent=2))
        return code
    if not found:
        place = options.state or os.path.join(options.log, STATE_FOLDER)
        print(f"no target has a cursor in {printable(place)}: the log was not shipped to anybody yet")
        return 0
    head = ["target", "behind", "lag", "last delivery", "delivered", "dead letters", "deleted", "breaks"]
    rows = [
        [printable(one.target), "damaged", *["-"] * (len(head) - 2)]
        if one.problem is not None
        else [
            printable(one.target),
            f"{one.behind:,}",
            f"{one.lag_seconds:,.0f} s" if one.behind else "-",
            printable(one.last_delivery or "-"),
            *(f"{count:,}" for count in (one.delivered, one.dead_letters, one.deleted, one.breaks)),
        ]
        for one in found
    ]
    width = len(head) if any(one.deleted or one.breaks for one in found) else len(head) - 2
    print(table([row[:width] for row in (head, *rows)], right=(1, 2, 4, 5, 6, 7)))
    return code
