// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"
)

// batchTime is how long calls are made between two looks at the clock, which
// take a tenth of what the fastest calls take.
const batchTime = 50 * time.Microsecond

// loop makes the same call over and over in this thread (in C++:
// native/loop.hpp). Calls of the warm-up do not count; all after it do, the last
// included, for its processor time does too.
func loop(ctx context.Context, w work, call func() error) (r measurement, err error) {
	calls := int64(1)
	batch := func() (took time.Duration, err error) {
		begin := time.Now()
		for range calls {
			if err := call(); err != nil {
				return 0, err
			}
		}
		return time.Since(begin), ctx.Err()
	}
	for warm := time.Now().Add(time.Duration(w.WarmMS) * time.Millisecond); ; {
		took, err := batch()
		if err != nil {
			return r, err
		}
		if took < batchTime {
			calls *= 2
		}
		if time.Now().After(warm) {
			break
		}
	}
	times := newHistogram()
	before, err := usageNow()
	if err != nil {
		return r, err
	}
	for end := before.at.Add(time.Duration(w.LengthMS) * time.Millisecond); time.Now().Before(end) || times.TotalCount() == 0; {
		took, err := batch()
		if err == nil {
			err = times.RecordValues(max(int64(took)/calls, 1), calls)
		}
		if err != nil {
			return r, err
		}
	}
	after, err := usageOf(before.pids)
	if err == nil {
		r.RSS, err = peakRSS(before.pids)
	}
	if err != nil {
		return r, err
	}
	r.fill(times)
	return r, r.charge(before, after)
}
