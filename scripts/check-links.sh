#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Every relative link in the documentation points at something that exists. Links to elsewhere are not followed.
. "$(dirname "$0")/lib.sh"

while IFS= read -r document; do
	# What stands in [text](target) before its anchor; code blocks and code spans are no links.
	# shellcheck disable=SC2016 # the backquotes are Markdown's
	while IFS= read -r target; do
		case $target in '' | *://* | mailto:*) continue ;; esac
		[ -e "$(dirname "$document")/$target" ] || problem "$document: there is no $target"
	done < <(awk '/^ *```/ { code = !code; next } !code' "$document" | sed 's/`[^`]*`//g' |
		grep -oE '\]\([^)#[:space:]]+' | sed 's/^](//')
done < <(sources '*.md')

verdict 'links in the documentation'
