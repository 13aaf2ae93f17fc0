#!/bin/sh
# Make the log-based metrics that the policies beside this file are about, and the policies. Not run against Google.
# Run again, it brings the metrics up to date, and adds no policy that is there.
#   metrics.sh PROJECT LOG CHANNEL       LOG as in --to gcp:LOG; CHANNEL: who is told (gcloud beta monitoring channels list)
set -eu
[ $# -ge 3 ] || { sed -n 's/^#   //p' "$0" >&2; exit 2; }
project=$1 log="logName=\"projects/$1/logs/$2\"" channel=$3
metric() {
    set -- "or_audit_$1" --project "$project" --description "$2" --log-filter "$log AND $3"
    gcloud logging metrics create "$@" || gcloud logging metrics update "$@"
}
metric calls 'LLM calls that ended' \
    'jsonPayload.status=("success" OR "error" OR "timeout" OR "cancelled" OR "incomplete" OR "blocked") AND jsonPayload.event_type!="generation"'
metric failed 'LLM calls that failed' \
    'jsonPayload.status=("error" OR "timeout") AND jsonPayload.event_type!="generation"'
metric lost 'Lines that state lost records' 'jsonPayload.event_type="log.lost"'
metric checkpoints 'Checkpoints that arrived' 'jsonPayload.event_type="log.checkpoint"'
metric tampered 'Lines that do not follow (ship --on-break flag), and verdicts that are not "verified"' \
    '((jsonPayload.event_type="ship.notice" AND jsonPayload.extra.kind="break") OR (jsonPayload.event_type="verification" AND jsonPayload.exit_code!=0))'
metric verified 'Verifications' 'jsonPayload.event_type="verification"'
for policy in error_rate lost tampered lag; do
    name=$(sed -n 's/^  "displayName": \("[^"]*"\),$/\1/p' "$(dirname "$0")/$policy.json")
    [ -z "$(gcloud monitoring policies list --project "$project" --filter "displayName=$name" --format 'value(name)')" ] || continue
    gcloud monitoring policies create --project "$project" --notification-channels "$channel" \
        --policy-from-file "$(dirname "$0")/$policy.json"
done
