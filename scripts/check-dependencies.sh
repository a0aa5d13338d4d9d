#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Every module that we require ourselves has its line, with the reason, in docs/dependencies.md.
. "$(dirname "$0")/lib.sh"

ours=$(go list -m)
while IFS= read -r module; do
	required=$(go -C "$module" list -m -f '{{if not (or .Main .Indirect)}}{{.Path}}{{end}}' all)
	for path in $required; do
		[ "$path" = "$ours" ] || grep -qF "\`$path\`" docs/dependencies.md ||
			problem "docs/dependencies.md does not say why $module/go.mod requires $path"
	done
done < <(go_modules)

verdict 'dependencies'
