#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Fuzzes every fuzz target in the tree, one after the other, each for as long as its argument says (30s, 5m, 10000x).
. "$(dirname "$0")/lib.sh"

fuzztime=${1:?usage: scripts/fuzz.sh TIME}
count=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# fuzz runs one target. Go before 1.27 sometimes takes the end of the time for a failure of the target (golang/go#75804): then
# there is no failing input, and the only complaint is the deadline.
fuzz() { # fuzz FOLDER NAME
	go -C "$1" test -run '^$' -fuzz "^$2\$" -fuzztime "$fuzztime" . 2>&1 | tee "$output" && return
	if grep -q '^    context deadline exceeded$' "$output" && ! grep -qE 'Failing input|panic:|_test\.go:' "$output"; then
		say "the time was over: nothing found in $2"
		return
	fi
	return 1
}

while IFS=: read -r file line; do
	name=${line#func }
	name=${name%%(*}
	say "fuzzing $name in $(dirname "$file") for $fuzztime"
	fuzz "$(dirname "$file")" "$name"
	count=$((count + 1))
done < <(sources '*_test.go' | xargs -r grep -HE '^func Fuzz[A-Za-z0-9_]*\(')
[ "$count" -gt 0 ] || die 'there is no fuzz target'
say "fuzzed $count target(s), nothing found"
