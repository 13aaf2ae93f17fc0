#!/bin/sh
# Say so where too many calls of the last minutes failed (error, timeout).
#   error_rate.sh LOG [PERCENT] [MINUTES] [CALLS]      default: more than 5 percent in 60 minutes, of 20 calls at least
# Exit: 0 not so, 1 too many, 2 could not look.
set -u
[ $# -ge 1 ] || { sed -n 's/^#   //p' "$0" >&2; exit 2; }
log=$1 percent=${2:-5} minutes=${3:-60} least=${4:-20}
for number in "$percent" "$minutes" "$least"; do
    case $number in '' | *[!0-9]*) echo "error_rate.sh: not a whole number: $number" >&2; exit 2 ;; esac
done
since=$(python3 -c 'import sys, time
print(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60 * int(sys.argv[1]))))' "$minutes") || exit 2
statuses=$(or-audit query "$log" --since "$since" --format jsonl --fields status) || exit 2
calls=$(printf '%s\n' "$statuses" | grep -c '"status":"')
failed=$(printf '%s\n' "$statuses" | grep -cE '"status":"(error|timeout)"')
[ "$calls" -ge "$least" ] && [ $((failed * 100)) -gt $((calls * percent)) ] || exit 0
echo "error rate: $failed of $calls calls failed in the last $minutes minutes: or-audit query $log --since $since"
exit 1
