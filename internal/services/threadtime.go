// SPDX-License-Identifier: Apache-2.0

//go:build unix

package services

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// ashes is what burn computes, kept so that no compiler finds it useless.
var ashes atomic.Uint64

// threadTime is how much processor time this thread has used.
func threadTime() (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return time.Duration(t.Nano()), err
}
