#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Fuzzes every target in cworker/fuzz, one after the other, each for as long as its argument says (30s, 5m, 10000x).
# What is found is kept in cworker/fuzz/corpus/TARGET, where ctest runs it for ever; inputs that are merely interesting
# stay in the build folder for the next time.
. "$(dirname "$0")/lib.sh"

fuzztime=${1:?usage: scripts/fuzz-cworker.sh TIME}
[[ $fuzztime =~ ^([0-9]+)([smhx])$ ]] ||
	die "\"$fuzztime\" is not a time such as 30s or 5m, nor a number of runs such as 10000x"
case ${BASH_REMATCH[2]} in
s) limit=-max_total_time=${BASH_REMATCH[1]} ;;
m) limit=-max_total_time=$((BASH_REMATCH[1] * 60)) ;;
h) limit=-max_total_time=$((BASH_REMATCH[1] * 3600)) ;;
x) limit=-runs=${BASH_REMATCH[1]} ;;
esac

build=cworker/build/fuzz
say 'building the fuzz targets of cworker/'
(cd cworker && cmake --preset fuzz >/dev/null)
cmake --build $build -j "$(nproc)" >/dev/null

count=0
for corpus in cworker/fuzz/corpus/*/; do
	name=$(basename "$corpus")
	say "fuzzing $name for $fuzztime"
	mkdir -p "$build/fuzz/found/$name"
	# Of its progress only the end is of interest; what it found comes last, too.
	"$build/fuzz/fuzz-$name" "$limit" -max_len=8192 -artifact_prefix="$corpus" \
		"$build/fuzz/found/$name" "$build/fuzz/seeds/$name" "$corpus" >"$build/fuzz/$name.log" 2>&1 || {
		tail -n 40 "$build/fuzz/$name.log" >&2
		die "$name: something was found, and its input is in $corpus; the whole output is in $build/fuzz/$name.log"
	}
	grep '^Done ' "$build/fuzz/$name.log"
	count=$((count + 1))
done
[ "$count" -gt 0 ] || die 'there is no fuzz target'
say "fuzzed $count target(s), nothing found"
