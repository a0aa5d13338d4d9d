// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"math"
	"time"
)

const never time.Duration = math.MaxInt64

// clock is a process' own clock: zero when it started, and running a little too
// fast or too slow.
type clock struct {
	start time.Duration // in the simulation's time
	drift time.Duration // parts in 2^20
}

const driftBits = 20

func (c clock) local(t time.Duration) time.Duration {
	d := t - c.start
	return d + d*c.drift>>driftBits
}

// global is the earliest moment at which the clock shows l or more.
func (c clock) global(l time.Duration) time.Duration {
	if l >= never>>driftBits {
		return never
	}
	t := c.start + (l<<driftBits)/(1<<driftBits+c.drift)
	for c.local(t) < l {
		t++
	}
	return t
}
