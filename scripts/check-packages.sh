#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Which package may depend on which, as rules that a machine checks. What a package's own tests import is free,
# except for the ZeroMQ binding.
. "$(dirname "$0")/lib.sh"

module=$(go list -m)
present=$(go list ./...)
[ -n "$present" ] || die 'there is no Go package'
go list -deps ./... >/dev/null || die 'go cannot load all packages'

# deps PACKAGE CONDITION: what it is linked with, directly or not, one import path a line; CONDITION is go list's.
deps() { go list -deps -f "{{if $2}}{{.ImportPath}}{{end}}" "$module/$1" | awk -v self="$module/$1" '$0 != self'; }

# matching REGEXP: those of our packages whose folder matches. A rule about nothing is a mistake in this file.
matching() {
	awk -v prefix="$module/" -v want="^($1)(/|\$)" \
		'index($0, prefix) == 1 { path = substr($0, length(prefix) + 1); if (path ~ want) print path }' <<<"$present"
}

# only PACKAGE ALLOWED...: PACKAGE depends on the standard library and these packages of ours, nothing else.
only() {
	local package=$1 dep
	shift
	while IFS= read -r dep; do
		[[ " $* " == *" ${dep#"$module/"} "* ]] || problem "$package must not depend on $dep"
	done < <(deps "$package" 'not .Standard')
}

# never PACKAGES FORBIDDEN [BUT]: no package that matches the first, and not the third, depends on one that matches the
# second, however far away.
never() {
	local package dep
	while IFS= read -r package; do
		[[ ! ${package#"$module/"} =~ ^(${3:-nothing})(/|$) ]] || continue
		while IFS= read -r dep; do
			[[ ! ${dep#"$module/"} =~ ^($2)(/|$) ]] || problem "$package must not depend on ${dep#"$module/"}"
		done < <(deps "$package" true)
	done < <(matching "$1")
}

# importers FIELDS IMPORTS: the packages that import something that matches, in one of these fields of go list.
importers() {
	local field format=
	for field in $1; do format+="{{\$p := .ImportPath}}{{range .$field}}{{\$p}} {{.}}{{\"\n\"}}{{end}}"; done
	go list -f "$format" ./... | awk -v want="^($2)(/|\$)" '$2 ~ want { print $1 }' | sed "s,^$module/,," | sort -u
}

# A rule about a package that is not there would always hold.
for package in protocol internal/dispatch internal/session internal/zmqnet master worker jobrunner; do
	grep -qx "$module/$package" <<<"$present" || problem "$package does not exist: mend the rules in $0"
done
[ "$problems" -eq 0 ] || verdict 'package rules'

# The pure core, the wire and the session logic have no sockets and no third party in them.
only protocol
only internal/dispatch
only internal/session protocol

# The public packages stand beside each other; what they share is internal, and that knows none of them.
never master 'worker|jobrunner|cmd|examples'
never worker 'master|jobrunner|cmd|examples'
never jobrunner 'master|worker|cmd|examples'
# internal/chaos is a program that uses them as anybody would.
never 'internal|protocol' 'master|worker|jobrunner|cmd|examples' internal/chaos

# One package knows ZeroMQ, tests included.
while IFS= read -r package; do
	[ "$package" = internal/zmqnet ] || problem "only internal/zmqnet may import pebbe/zmq4, but $package does"
done < <(importers 'Imports TestImports XTestImports' 'github.com/pebbe/zmq4')

# Test libraries are for tests and for packages called …test that help them; nothing that is shipped has them inside.
testing='testing|github.com/stretchr/testify|go.uber.org/goleak|pgregory.net/rapid'
while IFS= read -r package; do
	[[ $package == *test ]] || problem "$package imports a test library outside its tests"
done < <(importers Imports "$testing")
never 'master|worker|jobrunner|cmd|examples' "$testing"

# go build puts all examples into one folder, and says nothing when one overwrites another.
for name in $(go list -f '{{if eq .Name "main"}}{{.ImportPath}}{{end}}' ./examples/... | sed 's,.*/,,' | sort | uniq -d); do
	problem "more than one example is called $name: all are built into bin/examples"
done

verdict 'package rules'
