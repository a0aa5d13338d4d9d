#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Fuzzes every fuzz target in the tree, one after the other, each for as long as its argument says (30s, 5m, 10000x).
. "$(dirname "$0")/lib.sh"

fuzztime=${1:?usage: scripts/fuzz.sh TIME}
count=0
while IFS=: read -r file line; do
	name=${line#func }
	name=${name%%(*}
	say "fuzzing $name in $(dirname "$file") for $fuzztime"
	go -C "$(dirname "$file")" test -run '^$' -fuzz "^$name\$" -fuzztime "$fuzztime" .
	count=$((count + 1))
done < <(sources '*_test.go' | xargs -r grep -HE '^func Fuzz[A-Za-z0-9_]*\(')
[ "$count" -gt 0 ] || die 'there is no fuzz target'
say "fuzzed $count target(s), nothing found"
