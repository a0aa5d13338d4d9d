// SPDX-License-Identifier: Apache-2.0

// Package crypto has the payloads of the service "crypto": a job is a Request,
// its result a Response, both encoded with google.golang.org/protobuf/proto.
// README.md in this folder says what each operation does, its limits and errors.
//
// The handler is not here: powerhose-worker and powerhose-cworker bring it.
package crypto

//go:generate ../../scripts/generate-proto.sh protocol/crypto/crypto.proto
