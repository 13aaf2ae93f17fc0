#!/bin/sh
# Say so where a target of or-audit ship is behind, has refused lines for good, or missed lines that were deleted.
#   lag.sh LOG STATE [SECONDS]                         SECONDS: the lag allowed, default 300; STATE as for lost.sh
# Exit: 0 not so, 1 it is, 2 could not look.
set -u
log=$1 state=$2 seconds=${3:-300}
status=$(or-audit ship "$log" --status --json) || exit 2
printf '%s' "$status" | python3 -c '
import json, os, sys

state, allowed = sys.argv[1], float(sys.argv[2])
targets, said = json.load(sys.stdin), []
known = json.load(open(state)) if os.path.exists(state) else {}
for one in targets:
    name = one["target"]
    if one["lag_seconds"] > allowed:
        behind, oldest = one["behind"], one["oldest_unshipped"]
        said.append(f"{name} lacks {behind} lines, the oldest of {oldest}")
    for what in ("dead_letters", "deleted", "breaks"):
        more = one[what] - known.get(name, {}).get(what, 0)
        if more > 0:
            said.append(f"{name}: {more} more {what}")
    known[name] = {what: one[what] for what in ("dead_letters", "deleted", "breaks")}
if not targets:
    said.append("the log was not shipped to anybody yet")
with open(state + ".new", "w") as file:
    json.dump(known, file)
os.replace(state + ".new", state)
print("\n".join("shipping: " + line for line in said), end="\n" if said else "")
sys.exit(1 if said else 0)
' "$state" "$seconds"
code=$?
[ "$code" -le 1 ] || exit 2
exit "$code"
