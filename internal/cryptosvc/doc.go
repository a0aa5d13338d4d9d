// SPDX-License-Identifier: Apache-2.0

// Package cryptosvc is the service "crypto" in Go: a Request of package
// protocol/crypto in, a Response out. What each operation does, its limits and
// the order of its errors are in protocol/crypto/README.md, and the vectors
// beside it are this package's tests.
//
// A request goes through decode, limits, key, arithmetic, in that order, so that
// nothing expensive happens to what is refused. Nothing here logs.
//
// Secrets that came with a request are overwritten when the answer is made. Go
// gives no way to reach the copies that the standard library makes.
package cryptosvc
