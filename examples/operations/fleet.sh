#!/bin/sh
# Verify the logs of many hosts against the checkpoints kept elsewhere, and say what is wrong with which. The report stays
# in REPORT; where a log was tampered with or is gone also in REPORT.<time>, which no later run replaces.
#   fleet.sh LOGS ANCHORS REPORT [LAG] [MAX_AGE] [SILENT]
# LAG: so long a log may be on its way, default 26h; MAX_AGE of the newest anchor, default 26h; SILENT: tell hosts whose
# newest line is so many hours old, default 0 (never).
# Exit: 0 all verified, 1 trouble, 2 some could not be verified.
set -u
[ $# -ge 3 ] || { sed -n 's/^#   //p' "$0" >&2; exit 2; }
logs=$1 anchors=$2 report=$3 lag=${4:-26h} age=${5:-26h} silent=${6:-0}
or-audit verify --all "$logs" --anchor "$anchors" --lag "$lag" --max-age "$age" --json > "$report.new"
code=$?
[ -s "$report.new" ] || { rm -f "$report.new"; echo "or-audit verify --all $logs: exit code $code"; exit 2; }
if [ "$code" -eq 1 ]; then
    kept="$report.$(date -u +%Y%m%dT%H%M%SZ)"
    cp "$report.new" "$kept" && chmod 400 "$kept"
    echo "TAMPERED: findings in $kept"
fi
python3 -c '
import json, os, sys
from datetime import datetime, timedelta, timezone

report, silent = sys.argv[1], float(sys.argv[2])
logs, said = json.load(open(report + ".new")), []
before = json.load(open(report)) if os.path.exists(report) else []
was_behind = {one["path"]: one["behind"] for one in before}
for one in logs:
    name = one["host"] or one["log"] or one["path"]
    if one["is_missing"]:
        said.append(f"{name}: the log is gone")
    elif one["verdict"] != "verified":
        said.append("{}: {}, {}".format(name, one["verdict"], ascii(one["path"])))
    if one["behind"] > was_behind.get(one["path"], one["behind"]) > 0:
        said.append("{}: behind by {} lines, and was by {}".format(name, one["behind"], was_behind[one["path"]]))
    newest = one["newest_at"] and datetime.fromisoformat(one["newest_at"])
    if silent and newest and datetime.now(timezone.utc) - newest > timedelta(hours=silent):
        said.append(f"{name}: silent since {newest:%Y-%m-%d %H:%M} UTC")
print("\n".join(said), end="\n" if said else "")
sys.exit(1 if said else 0)
' "$report" "$silent"
told=$?
[ "$told" -le 1 ] || exit 2
mv "$report.new" "$report"
case $code in 0) exit "$told" ;; 1 | 3) exit 1 ;; *) exit 2 ;; esac
