# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the scripts in this folder share. Source it, then you are in the project's root:
#
#     . "$(dirname "$0")/lib.sh"

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Go's own installer puts it here; sudo and cron often drop that folder from PATH.
PATH=$PATH:/usr/local/go/bin

say() { printf '==> %s\n' "$*"; }

die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

# problem TEXT: prints one finding of a check and remembers that there was one.
problems=0
problem() {
	printf '%s\n' "$*" >&2
	problems=$((problems + 1))
}

# verdict WHAT: ends a check: exit code 1 if there was a problem, otherwise one line.
verdict() {
	[ "$problems" -eq 0 ] || die "$1: $problems problem(s), listed above"
	say "$1: ok"
}

# sources PATTERN...: the project's own files with these names, one a line.
# It looks at the disk, not at git, so that a file counts before it is added and in a tree without .git.
sources() {
	local pattern names=()
	for pattern in "$@"; do names+=(-o -name "$pattern"); done
	find . \( -name .git -o -path ./bin -o -name 'build*' -type d \) -prune \
		-o -type f \( "${names[@]:1}" \) -print | LC_ALL=C sort
}

# go_modules: the folder of every Go module in the tree that holds code of ours.
go_modules() {
	sources go.mod | sed 's,/go\.mod$,,' | grep -vx ./tools | LC_ALL=C sort
}
