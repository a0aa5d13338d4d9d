#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Writes the Go code of .proto files beside them; go generate calls it. Paths are relative to the project's root.
#
#     scripts/generate-proto.sh protocol/crypto/crypto.proto
#
# protoc-gen-go is pinned in tools/go.mod. protoc only parses: any version that knows proto3 gives the same, so its
# number is taken out of what is written, and Debian's will do.
. "$(dirname "$0")/lib.sh"

command -v protoc >/dev/null || die 'protoc is missing: install protobuf-compiler'
# GOFLAGS: a copy of the tree has no history to stamp into the tool.
plugin=$(GOFLAGS=-buildvcs=false go tool -modfile=tools/go.mod -n protoc-gen-go)
protoc --plugin="protoc-gen-go=$plugin" --go_out=. --go_opt=paths=source_relative "$@"
for file in "$@"; do
	sed -i '/^\/\/ \tprotoc  *v/d' "${file%.proto}.pb.go"
done
