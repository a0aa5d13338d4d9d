#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the tests of every Go module in the tree; arguments go to go test (-race, -run …).
# With POWERHOSE_REQUIRE_ALL=1 a skipped test is a failed one: CI has all that the tests may ask for.
. "$(dirname "$0")/lib.sh"

# digest reads what go test -v prints and tells the verdict on each package as it comes, all that a failed one said, and
# each skipped test with its reason. (No awk: Debian's reads a pipe in blocks, so one would look at an empty screen.)
digest() {
	local line test='' said='' skipped=0
	local -A reason=()
	while IFS= read -r line; do
		if [[ $line =~ [^\ ]+_test\.go:[0-9]+:\ .* ]]; then reason["$test"]=${BASH_REMATCH[0]}; fi
		case $line in
		'=== RUN '* | '=== NAME '* | '=== CONT '*) test=${line##* } ;;
		*'--- SKIP: '*)
			test=${line#*--- SKIP: }
			test=${test% (*}
			printf -- '--- SKIP: %s (%s)\n' "$test" "${reason["$test"]:-}"
			skipped=$((skipped + 1))
			;;
		ok\ *)
			printf '%s\n' "$line"
			said=''
			;;
		$'FAIL\t'*)
			printf '%s%s\n' "$said" "$line"
			said=''
			;;
		'=== '* | PASS | FAIL | *'--- PASS: '* | *'[no test files]') ;;
		*) said+=$line$'\n' ;;
		esac
	done
	printf '%s' "$said"
	[ "$skipped" -eq 0 ] || die "$skipped test(s) skipped, and POWERHOSE_REQUIRE_ALL forbids it"
}

# Never from go's cache: it does not know that some tests build and start the programs. A test that hangs is found in
# minutes, with the stacks of all goroutines; a later -timeout may allow more.
set -- -count=1 -timeout 5m "$@"

failed=
while IFS= read -r module; do
	say "in $module: go test $* ./..."
	if [ "${POWERHOSE_REQUIRE_ALL:-}" = 1 ]; then
		go -C "$module" test -v "$@" ./... 2>&1 | digest || failed=1
	else
		go -C "$module" test "$@" ./... || failed=1
	fi
done < <(go_modules)
[ -z "$failed" ] || die 'tests failed'
