#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Generated files are what their generators write today: a copy of the tree is generated anew and compared.
. "$(dirname "$0")/lib.sh"

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir "$copy/before"
tar -c --exclude=./.git --exclude=./bin --exclude='./cworker/build*' . | tar -x -C "$copy/before"
cp -a "$copy/before" "$copy/after"
while IFS= read -r module; do
	go -C "$copy/after/$module" generate ./... || problem "go generate fails in $module"
done < <(go_modules)
diff -r -q "$copy/before" "$copy/after" >/dev/null || {
	diff -r -u "$copy/before" "$copy/after" | head -n 40 >&2 || true
	problem 'generated files are out of date: run go generate ./...'
}

verdict 'generated files'
