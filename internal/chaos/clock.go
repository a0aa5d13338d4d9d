// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"time"

	"golang.org/x/sys/unix"
)

// now reads the clock that all processes of this machine share and that nobody
// sets: CLOCK_MONOTONIC, which is C++'s steady_clock too.
func now() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail
	return time.Duration(ts.Nano())
}

// span is a stretch of time.
type span struct{ from, to time.Duration }

// overlap is how much of [from, to] the spans cover.
func overlap(spans []span, from, to time.Duration) (sum time.Duration) {
	covered := from
	for _, s := range spans { // in the order of their beginnings
		a, b := max(s.from, covered), min(s.to, to)
		if b > a {
			sum += b - a
			covered = b
		}
	}
	return sum
}
