#!/bin/sh
# Verify a log against the checkpoints kept elsewhere, and say so where it does not hold. The report stays in REPORT;
# of a log that was tampered with also in REPORT.<time>, which no later run replaces.
#   tampered.sh LOG ANCHORS REPORT [MAX_AGE]           MAX_AGE of the newest anchor, default 26h
# Exit: 0 verified, 1 tampered, or no recent anchor, 2 could not verify.
set -u
[ $# -ge 3 ] || { sed -n 's/^#   //p' "$0" >&2; exit 2; }
log=$1 anchors=$2 report=$3 age=${4:-26h}
or-audit verify "$log" --anchor "$anchors" --max-age "$age" --json > "$report.new"
code=$?
[ -s "$report.new" ] || { rm -f "$report.new"; echo "or-audit verify $log: exit code $code"; exit 2; }
if [ "$code" -eq 1 ]; then
    kept="$report.$(date -u +%Y%m%dT%H%M%SZ)"
    cp "$report.new" "$kept" && chmod 400 "$kept"
    echo "TAMPERED: $log, findings in $kept"
elif [ "$code" -eq 3 ]; then
    echo "unanchored: $log is intact, and no checkpoint of the last $age was kept in $anchors"
elif [ "$code" -ne 0 ]; then
    echo "cannot verify: $log, reasons in $report"
fi
mv "$report.new" "$report"
case $code in 0) exit 0 ;; 1 | 3) exit 1 ;; *) exit 2 ;; esac
