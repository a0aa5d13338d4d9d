// SPDX-License-Identifier: Apache-2.0

// Package pidwatch tells within a millisecond that a process of this machine,
// which need not be a child, has ended. It parks a goroutine in Go's netpoller
// on a pidfd: no thread, no polling.
//
// It is for pids that the kernel vouches for (the credentials of a socket's
// peer). Pids are used again: after Start, make sure by other means that the
// process which is watched now is the one that was meant.
package pidwatch

import (
	"errors"
	"fmt"
)

// ErrUnsupported is returned by Start where there are no pidfds: not Linux,
// kernels older than 5.10, or a sandbox that forbids them. Fall back on
// heartbeats. It wraps errors.ErrUnsupported.
var ErrUnsupported = fmt.Errorf("pidwatch: this system has no usable pidfd: %w", errors.ErrUnsupported)
