// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"slices"
	"time"
)

const (
	// window is how many of the latest run times an estimate looks at.
	window = 64
	// enough is how many run times make an estimate worth anything.
	enough = 8
	// quick jobs are too many to sort their run times after each.
	quick      = 100 * time.Microsecond
	quickEvery = 32
	// outlier, in likely run times, is what a run counts at most.
	outlier = 4
)

// estimate knows how long the jobs of a service took lately. All figures are
// zero while fewer than enough runs were measured.
type estimate struct {
	runs [window]time.Duration
	n    int // run times seen, ever
	due  int // the n at which to compute the figures again

	// low is the 10th percentile: what nearly every job takes at least. Where
	// a place is free, a job is refused by it, because refusing one that would
	// have made it is worse than letting one expire.
	low time.Duration
	// mean says how soon places become free. No run counts more than some times
	// the likely: one that was stopped for a minute says nothing of the next.
	mean time.Duration
	// likely is the 75th percentile. A job that has to wait is refused by it:
	// while jobs wait, one that does not make it takes the time of others.
	likely time.Duration
	// high is the 90th percentile: prefetch is bounded by it, because a job
	// stuck behind a long one is worse than a worker idle for a round trip.
	high time.Duration
}

func (e *estimate) add(run time.Duration) {
	run = max(run, 1)
	e.runs[e.n%window] = run
	e.n++
	if e.n < enough || (e.n < e.due && run < quick && e.high < quick) {
		return
	}
	e.due = e.n + quickEvery
	if e.n < window {
		e.due = e.n + enough
	}
	sorted := e.runs
	runs := sorted[:min(e.n, window)]
	slices.Sort(runs)
	e.low = runs[len(runs)/10]
	e.likely = runs[len(runs)*3/4]
	e.high = runs[len(runs)*9/10]
	var sum time.Duration
	for _, run := range runs {
		sum += min(run, outlier*e.likely)
	}
	e.mean = sum / time.Duration(len(runs))
}
