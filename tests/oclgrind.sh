#!/bin/sh
# Runs a command under Oclgrind, and fails if the command fails or if Oclgrind reports anything.
# Without its --uninitialized: that makes release 21.10 compute wrong results.
report=$(mktemp)
trap 'rm -f "$report"' EXIT
oclgrind --data-races --check-api --max-errors 20 --log "$report" "$@"
status=$?
cat "$report" >&2
[ $status -ne 0 ] && exit $status
[ ! -s "$report" ]
