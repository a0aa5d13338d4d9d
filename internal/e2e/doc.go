// SPDX-License-Identifier: Apache-2.0

// Package e2e has no code of its own: its tests prove, with real processes,
// real sockets and real signals, what the README promises.
package e2e
