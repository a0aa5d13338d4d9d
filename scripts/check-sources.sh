#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Small rules for source files that need no compiler.
. "$(dirname "$0")/lib.sh"

code=(Makefile '*.mk' '*.go' '*.sh' '*.py' '*.c' '*.cc' '*.cpp' '*.h' '*.hpp' '*.proto' CMakeLists.txt '*.cmake')

# report RULE: each line of standard input ("file:line: text") is a problem with this rule.
report() {
	local line
	while IFS= read -r line; do problem "$line ($1)"; done
}

report 'no SPDX-License-Identifier in its first five lines' < <(
	sources "${code[@]}" | while IFS= read -r file; do
		head -n 5 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || printf '%s\n' "$file"
	done
)

report 'a test waits for an event or steps the clock, it does not sleep' < <(
	sources '*_test.go' | xargs -r grep -HnF 'time.Sleep('
)

# Libraries log through the logger they are given; standard output belongs to the programs.
report 'a library does not print' < <(
	sources '*.go' | grep -vE '^\./(cmd|examples|bench|tools)/|_test\.go$' | xargs -r grep -HnE '^[^/]*\b(fmt\.Print|log\.(Print|Fatal|Panic)|print(ln)?\()'
)

report 'a decision not to do something has an issue number' < <(
	sources "${code[@]}" | xargs -r grep -HnE '(//|#) *(TODO|FIXME|XXX)\b' | grep -vE '#[0-9]+'
)

report 'ends in blanks' < <(sources "${code[@]}" | xargs -r grep -HnE '[[:blank:]]+$')

# Not an error: a file may have a reason. But nobody likes to open one of these.
sources '*.go' '*.cpp' '*.hpp' '*.cc' '*.h' '*.py' '*.sh' | grep -vE '\.pb\.' | while IFS= read -r file; do
	lines=$(wc -l <"$file")
	[ "$lines" -le 600 ] || printf 'warning: %s has %d lines, more than 600: split it\n' "$file" "$lines" >&2
done

verdict 'source rules'
