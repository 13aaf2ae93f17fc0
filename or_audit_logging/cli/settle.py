"""`or-audit settle DIR|DB`: ask OpenRouter for the costs that calls ended without."""

from __future__ import annotations

import argparse
import json
import signal
from typing import Any

from or_audit_logging.cli.opening import add_log_arguments, warn_unsigned
from or_audit_logging.cli.output import complain, paint, printable, warn
from or_audit_logging.cli.values import age, positive, rate
from or_audit_logging.evidence.settle import settle
from or_audit_logging.evidence.settled import Settled
from or_audit_logging.openrouter import BASE_URL
from or_audit_logging.record import AuditRecord

HELP = "ask OpenRouter for costs that calls ended without"

_LISTED = 20


def add_parser(commands: Any) -> None:
    """Add the command to *commands*."""
    parser = commands.add_parser(
        "settle",
        help=HELP,
        description="Ask OpenRouter what calls cost that ended without saying so (cut streams, cancelled "
        "calls, errors that may have been billed), and add the answers to the log as generation records. "
        "Works beside the processes that write the log; what cannot be settled yet stays pending.",
        epilog="example: or-audit settle audit_logs --api-key env:OPENROUTER_API_KEY. "
        "Exit codes: 0 nothing is pending, 1 something is, 2 could not.",
    )
    add_log_arguments(parser, or_store=True)
    parser.add_argument(
        "--api-key",
        metavar="KEY",
        help="env:NAME or file:PATH of the OpenRouter key (default: env:OPENROUTER_API_KEY)",
    )
    parser.add_argument("--base-url", metavar="URL", default=BASE_URL, help=f"default: {BASE_URL}")
    parser.add_argument("--follow", action="store_true", help="go on until SIGTERM or SIGINT")
    parser.add_argument(
        "--give-up",
        metavar="AGE",
        type=age,
        default="7d",
        help="record a call as unresolved that OpenRouter knows nothing of at this age (default: 7d)",
    )
    parser.add_argument(
        "--wait",
        metavar="AGE",
        type=age,
        default="60s",
        help="how long to stay for calls that ended just now (default: 60s)",
    )
    parser.add_argument("--limit", metavar="N", type=positive, help="ask at most N questions")
    parser.add_argument(
        "--rate", metavar="N", type=rate, default="10", help="questions a second, at most (default: 10)"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what is pending and ask nobody")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Settle and say what came of it."""
    if options.follow:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    result = settle(
        options.log,
        key=options.key,
        signing_key=options.signing_key,
        api_key=options.api_key,
        base_url=options.base_url,
        rate=options.rate,
        give_up=options.give_up,
        wait=options.wait,
        limit=options.limit,
        dry_run=options.dry_run,
        follow=options.follow,
        told=_tell if options.follow and not options.json else lambda record: None,
    )
    if options.json:
        print(json.dumps(result.to_dict(), indent=2))
    else:
        _print(result, dry_run=options.dry_run)
    if result.problem is not None:
        complain(result.problem)
    if result.unsigned is not None and result.settled + result.unresolved:
        warn_unsigned(result.unsigned)
    for name, trouble in result.unreadable.items():
        warn(f"{name} could not be read: {trouble}")
    return 0 if options.follow and not result.is_refused else result.exit_code


def _tell(record: AuditRecord) -> None:
    cost = "unresolved" if record.total_cost is None else f"{record.total_cost:f} USD"
    print(f"{printable(record.generation_id or '')}  {cost}", flush=True)


def _print(result: Settled, *, dry_run: bool) -> None:
    if not dry_run:
        print(f"{paint('settled', 'green')}     {result.settled}, {result.cost:f} USD")
        if result.unresolved:
            print(f"{paint('unresolved', 'yellow')}  {result.unresolved}, recorded as such")
    print(f"pending     {len(result.pending)}")
    for one in result.pending[:_LISTED]:
        print(f"  {printable(one.generation_id)}  since {one.since:%Y-%m-%d %H:%M:%S}Z")
    if len(result.pending) > _LISTED:
        print(f"  ... {len(result.pending) - _LISTED} more (--json lists them)")
    if result.unidentified:
        print(f"no id       {result.unidentified} calls without a cost that nobody can be asked about")
    if refused := {code: n for code, n in result.answers.items() if code != 404}:
        said = ", ".join(f"{count} x {code}" for code, count in sorted(refused.items()))
        print(f"answers     {said} (docs/troubleshooting.md)")
