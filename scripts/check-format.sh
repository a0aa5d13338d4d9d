#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Go code is as gofumpt writes it (gofmt, and a little stricter), and the go.mod files are as go mod tidy writes them.
# `make fmt` mends both. tools/go.mod is left out: to say that it is tidy, go downloads hundreds of modules that only the
# tools' own tests need.
. "$(dirname "$0")/lib.sh"

while IFS= read -r file; do problem "$file is not formatted"; done < <(
	go tool -modfile=tools/go.mod gofumpt -l . || echo 'gofumpt failed, so something'
)
while IFS= read -r module; do
	go -C "$module" mod tidy -diff || problem "$module/go.mod or go.sum is not tidy"
done < <(go_modules)

verdict 'formatting'
