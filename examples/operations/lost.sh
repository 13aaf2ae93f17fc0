#!/bin/sh
# Say so where a log states that records are not in it (log.lost), once for each such line. No key is needed.
#   lost.sh LOG STATE                                  STATE: a file of this script, outside of the log's folder
# Exit: 0 nothing new, 1 records were lost, 2 could not look.
set -u
[ $# -ge 2 ] || { sed -n 's/^#   //p' "$0" >&2; exit 2; }
log=$1 state=$2 seen=-1 of=
[ -r "$state" ] && read -r seen of < "$state"
found=$(sed -n '/^{"event_type":"log\.lost",/s/.*"count":\([0-9a-z]*\),"reason":"\([a-z]*\)",.*"log":"\([0-9a-f]*\)","seq":\([0-9]*\),"kid":[0-9]*,"mac":"[0-9a-f]*"}$/\4 \1 \2 \3/p' "$log"/*.jsonl) || exit 2
new=$(printf '%s\n' "$found" | awk -v seen="$seen" -v of="$of" '$1 != "" && ($1 > seen + 0 || (of != "" && $4 != of))' | sort -n)
[ -n "$new" ] || exit 0
printf '%s\n' "$new" | while read -r seq count reason _; do
    echo "lost: $count records, reason $reason, stated at seq $seq of $log"
done
printf '%s\n' "$new" | awk 'END { print $1, $4 }' > "$state.new" && mv "$state.new" "$state" || exit 2
exit 1
