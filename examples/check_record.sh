#!/usr/bin/env bash
# Check the seal of one record with sha256sum and openssl (3.0 or newer) alone; docs/format.md says what is computed.
#   check_record.sh KEY_FILE SEGMENT NUMBER        the NUMBERth line of a plain segment, from the second on
set -euo pipefail
segment=$2
line() { sed -n "$1{p;q;}" "$segment" | tr -d '\n'; }
bytes() { printf "$(sed 's/../\\x&/g')"; }
secret=$(od -An -v -tx1 "$1" | tr -d ' \n')
log_id=$(line 1 | sed 's/.*"log_id":"\([0-9a-f]*\)".*/\1/')
line_key=$(openssl kdf -keylen 32 -kdfopt digest:SHA2-256 -kdfopt "hexkey:${secret%0a}" -kdfopt "hexsalt:$log_id" \
    -kdfopt info:or-audit/v1/line HKDF | tr -d ':\n')
prev=$({ printf '\0'; line $(($3 - 1)); } | sha256sum | cut -c1-64)
mac=$({ printf 'or-audit/v1/line\0'; echo "$prev" | bytes; line "$3" | sed 's/,"mac":"[0-9a-f]*"}$//'; } |
    openssl dgst -sha256 -mac HMAC -macopt "hexkey:$line_key" | sed 's/.*= //')
[ "$(line "$3" | tail -c 74)" = ",\"mac\":\"$mac\"}" ] || { echo "line $3 does not hold" && exit 1; }
echo "line $3 holds"
