// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestEstimateIsUnknownUntilEnoughRuns(t *testing.T) {
	t.Parallel()
	var e estimate
	for i := range enough {
		require.Zero(t, e.low+e.high, "after %d runs", i)
		e.add(time.Millisecond)
	}
	require.Equal(t, time.Millisecond, e.low)
	require.Equal(t, time.Millisecond, e.high)
}

func TestEstimateIsNeverZeroOnceKnown(t *testing.T) {
	t.Parallel()
	var e estimate
	for range enough {
		e.add(-time.Second)
	}
	require.Positive(t, e.low, "zero would mean unknown")
	require.Positive(t, e.high)
}

// quantiles is what an estimate should say after these runs.
func quantiles(runs []time.Duration) (low, high time.Duration) {
	latest := slices.Clone(runs[max(0, len(runs)-window):])
	slices.Sort(latest)
	return latest[len(latest)/10], latest[len(latest)*9/10]
}

func TestEstimateFollowsTheLatestRuns(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		longest := rapid.SampledFrom([]time.Duration{2, quick - 1, quick * 3, time.Second}).Draw(t, "longest")
		runs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.Int64Range(1, int64(longest)).Draw(t, "run"))
		}), enough, 5*window).Draw(t, "runs")
		var e estimate
		for i, run := range runs {
			e.add(run)
			n := i + 1
			if n < enough {
				require.Zero(t, e.low+e.high)
				continue
			}
			// Quick runs may be looked at late, others are looked at once.
			behind := 0
			if run < quick && e.high < quick {
				behind = quickEvery
			}
			matches := false
			for m := n; m >= max(n-behind, enough); m-- {
				low, high := quantiles(runs[:m])
				matches = matches || (e.low == low && e.high == high)
			}
			require.True(t, matches, "after %d runs: %v, %v", n, e.low, e.high)
		}
	})
}

func TestEstimateNoticesASlowRunAtOnce(t *testing.T) {
	t.Parallel()
	var e estimate
	for range 10 * window {
		e.add(10 * time.Microsecond)
	}
	for i := range window / 10 {
		e.add(time.Second)
		require.Equal(t, 10*time.Microsecond, e.high, "%d of %d are slow", i+1, window)
	}
	e.add(time.Second)
	require.Equal(t, time.Second, e.high)
	require.Equal(t, 10*time.Microsecond, e.low, "most jobs would still make it")
}

// timedCore has a runner and one worker, and measures by itself.
type timedCore struct {
	t    *testing.T
	core *Core
	now  Time
	tags uint64
}

func newTimedCore(t *testing.T, capacity, prefetch int) *timedCore {
	tc := &timedCore{t: t, core: New(Config{})}
	tc.step(Event{Kind: EventRunnerUp, Runner: 1, Local: true})
	tc.step(Event{Kind: EventWorkerUp, Worker: 1, Capacity: capacity, Prefetch: prefetch})
	return tc
}

func (tc *timedCore) step(ev Event) []Action {
	out := tc.core.Step(tc.now, &ev, nil)
	check(tc.t, tc.core)
	return out
}

func (tc *timedCore) submit() Action {
	tc.tags++
	out := tc.step(Event{Kind: EventSubmit, Runner: 1, Tag: tc.tags, Deadline: Never, StartBy: Never})
	require.Len(tc.t, out, 1)
	require.Equal(tc.t, ActionAssign, out[0].Kind)
	return out[0]
}

func (tc *timedCore) after(d time.Duration, kind EventKind, a Action) {
	tc.now = tc.now.Add(d)
	tc.step(Event{Kind: kind, Worker: a.Worker, Job: a.Job, Attempt: a.Attempt})
}

func (tc *timedCore) measured() []time.Duration {
	e := &tc.core.services[""].estimate
	return slices.Clone(e.runs[:e.n])
}

func TestRunTimeOfAPrefetchedJobBeginsWhenItsTurnComes(t *testing.T) {
	t.Parallel()
	tc := newTimedCore(t, 1, 1)
	for range enough {
		tc.after(10*time.Microsecond, EventResult, tc.submit())
	}
	first, second := tc.submit(), tc.submit()
	tc.after(70*time.Microsecond, EventResult, first)
	tc.after(20*time.Microsecond, EventResult, second)
	require.Equal(t, []time.Duration{70 * time.Microsecond, 20 * time.Microsecond}, tc.measured()[enough:])
}

func TestRunTimeIsNotCutByReturns(t *testing.T) {
	t.Parallel()
	tc := newTimedCore(t, 1, 1)
	for range enough {
		tc.after(10*time.Microsecond, EventResult, tc.submit())
	}
	first, second := tc.submit(), tc.submit()
	tc.after(10*time.Millisecond, EventReturned, second)
	tc.after(time.Millisecond, EventResult, first)
	require.Equal(t, []time.Duration{11 * time.Millisecond}, tc.measured()[enough:])
}

func TestRunTimesOfParallelJobsAreTheirOwn(t *testing.T) {
	t.Parallel()
	tc := newTimedCore(t, 2, 0)
	first, second := tc.submit(), tc.submit()
	tc.after(time.Second, EventResult, first)
	third := tc.submit()
	tc.after(time.Millisecond, EventResult, second)
	tc.after(time.Second, EventResult, third)
	require.Equal(t, []time.Duration{time.Second, 1001 * time.Millisecond, 1001 * time.Millisecond}, tc.measured())
}
