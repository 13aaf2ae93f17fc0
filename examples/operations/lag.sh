#!/bin/sh
# Say so where a target of or-audit ship is behind, has refused lines for good, missed lines that were deleted, or has
# more than the log.
#   lag.sh LOG STATE [SECONDS] [DIR]                   SECONDS: the lag allowed, default 300; STATE as for lost.sh;
#                                                      DIR: as in or-audit ship --state DIR, default LOG/ship
# Exit: 0 not so, 1 it is, 2 could not look.
set -u
[ $# -ge 2 ] || { sed -n 's/^#   //p' "$0" >&2; exit 2; }
log=$1 state=$2 seconds=${3:-300} cursors=${4:-}
case $seconds in '' | *[!0-9]*) echo "lag.sh: SECONDS is a whole number, not $seconds" >&2; exit 2 ;; esac
status=$(or-audit ship "$log" --status --json ${cursors:+--state "$cursors"})
[ $? -eq 0 ] || [ -n "$status" ] || exit 2
printf '%s' "$status" | python3 -c '
import json, os, sys

COUNTS = ("dead_letters", "deleted", "breaks")


def main(state, allowed):
    targets, said = json.load(sys.stdin), []
    if isinstance(targets, dict):  # an error, which or-audit has told
        return 2
    known = json.load(open(state)) if os.path.exists(state) else {}
    for one in targets:
        name, cursor = one["target"], one["cursor"]
        if one.get("problem"):
            said.append(f"the cursor {name} cannot be read: or-audit ship --status")
            continue
        if one["lag_seconds"] > allowed:
            behind, oldest = one["behind"], one["oldest_unshipped"]
            said.append(f"{name} lacks {behind} lines, the oldest of {oldest}")
        if one["next_seq"] > one["end_seq"]:
            said.append(f"{name} has lines that the log has not any more: or-audit verify")
        before = known.get(cursor, {})
        for what in COUNTS:
            more = one[what] - before.get(what, 0)
            if more > 0:
                said.append(f"{name}: {more} more {what}")
        known[cursor] = {what: one[what] for what in COUNTS}
    if not targets:
        said.append("the log was not shipped to anybody yet")
    with open(state + ".new", "w") as file:
        json.dump(known, file)
    os.replace(state + ".new", state)
    print("\n".join("shipping: " + line for line in said), end="\n" if said else "")
    return 1 if said else 0


try:
    code = main(sys.argv[1], int(sys.argv[2]))
except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
    print(f"lag.sh: {sys.argv[1]} or the status cannot be used: {error!r}", file=sys.stderr)
    code = 2
sys.exit(code)
' "$state" "$seconds"
code=$?
[ "$code" -le 1 ] || exit 2
exit "$code"
