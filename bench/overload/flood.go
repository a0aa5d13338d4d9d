// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/powerhose/powerhose/jobrunner"
)

// outcome is what became of a job.
type outcome int

const (
	done    outcome = iota // the result was there before the deadline
	refused                // busy: refused when it came
	waited                 // timed out, or given up as busy, while it waited
	ran                    // timed out while a worker had it
	other                  // anything else, which should not be
	outcomes
)

func outcomeOf(err error) outcome {
	switch {
	case err == nil:
		return done
	case errors.Is(err, jobrunner.ErrBusy):
		return refused
	case errors.Is(err, jobrunner.ErrTimedOutWaiting):
		return waited
	case errors.Is(err, jobrunner.ErrTimedOutRunning):
		return ran
	}
	return other
}

// arrival is one job of an open loop: when it was due, when it was submitted,
// and when and how it ended, all since the loop began.
type arrival struct {
	due, begun, ended time.Duration
	outcome           outcome
	err               error
}

// poisson returns the moments of n jobs that come by chance within a time, in
// order: what a Poisson process looks like once it is known that n came.
func poisson(random *rand.Rand, n int, within time.Duration) []time.Duration {
	at := make([]time.Duration, n)
	for i := range at {
		at[i] = time.Duration(random.Int64N(int64(within)))
	}
	slices.Sort(at)
	return at
}

// even returns the moments of n jobs at equal distances.
func even(n int, within time.Duration) []time.Duration {
	at := make([]time.Duration, n)
	for i := range at {
		at[i] = within * time.Duration(i) / time.Duration(n)
	}
	return at
}

// loop is an open loop: jobs come when they come, however those before them
// fare.
type loop struct {
	runner   *jobrunner.Runner
	job      jobrunner.Job
	payload  func() []byte // of the next job; nil: the job's own
	began    time.Time
	arrivals []arrival
	callers  sync.WaitGroup
}

// offer submits a job at each of these moments, and returns after the last was
// submitted. Callers that wait are left behind: see wait.
func (l *loop) offer(ctx context.Context, at []time.Duration) error {
	l.began = time.Now()
	l.arrivals = make([]arrival, len(at))
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for i, due := range at {
		if left := due - time.Since(l.began); left > 0 {
			timer.Reset(left)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		a := &l.arrivals[i]
		a.due = due
		job := l.job
		if l.payload != nil {
			job.Payload = l.payload()
		}
		l.callers.Go(func() {
			a.begun = time.Since(l.began)
			_, a.err = l.runner.Do(ctx, job)
			a.ended = time.Since(l.began)
			a.outcome = outcomeOf(a.err)
			if a.outcome == refused && a.ended-a.begun > job.Timeout/4 {
				// The error does not tell, but who is given up in favour of
				// somebody else has waited for most of his time.
				a.outcome = waited
			}
		})
	}
	return nil
}

func (l *loop) wait() { l.callers.Wait() }

// tally is what a flood came to.
type tally struct {
	Offered  float64 `json:"offered_per_s"`
	Goodput  float64 `json:"done_in_time_per_s"`
	Refused  float64 `json:"refused_per_s"`
	Waited   float64 `json:"given_up_waiting_per_s"`
	Ran      float64 `json:"timed_out_running_per_s"`
	Other    int     `json:"other"`
	OtherErr string  `json:"other_error,omitempty"`
	// Refusals took so long from Execute until the error was there.
	RefusedP50  float64 `json:"refusal_p50_ms"`
	RefusedP99  float64 `json:"refusal_p99_ms"`
	RefusedMost float64 `json:"refusal_max_ms"`
	// Latency of the jobs that were done.
	DoneP50 float64 `json:"done_p50_ms"`
	DoneP99 float64 `json:"done_p99_ms"`
	// Late is by how much the last outcome of a job missed its deadline.
	Late float64 `json:"last_outcome_after_deadline_ms"`
	// Lag is how late jobs were submitted: the generator's own fault.
	Lag float64 `json:"generator_lag_p99_ms"`
}

// tally counts what was submitted, and what ended, between two moments.
func (l *loop) tally(from, to time.Duration) (t tally) {
	refusals, results, lags := newHistogram(), newHistogram(), newHistogram()
	var ends [outcomes]int
	offered, late := 0, time.Duration(0)
	for _, a := range l.arrivals {
		took := a.ended - a.begun
		late = max(late, took-l.job.Timeout)
		_ = lags.RecordValue(int64(a.begun - a.due))
		if a.due >= from && a.due < to {
			offered++
		}
		if a.outcome == other {
			t.Other, t.OtherErr = t.Other+1, a.err.Error()
		}
		if a.ended < from || a.ended >= to {
			continue
		}
		ends[a.outcome]++
		switch a.outcome {
		case done:
			_ = results.RecordValue(int64(took))
		case refused:
			_ = refusals.RecordValue(int64(took))
		default:
		}
	}
	seconds := (to - from).Seconds()
	per := func(n int) float64 { return float64(n) / seconds }
	t.Offered, t.Goodput, t.Refused = per(offered), per(ends[done]), per(ends[refused])
	t.Waited, t.Ran = per(ends[waited]), per(ends[ran])
	ms := func(h *hdrhistogram.Histogram, percentile float64) float64 {
		return float64(h.ValueAtPercentile(percentile)) / 1e6
	}
	t.RefusedP50, t.RefusedP99, t.RefusedMost = ms(refusals, 50), ms(refusals, 99), ms(refusals, 100)
	t.DoneP50, t.DoneP99 = ms(results, 50), ms(results, 99)
	t.Late, t.Lag = float64(late)/1e6, ms(lags, 99)
	return t
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(100, int64(time.Minute), 3) // nanoseconds
}

// inARow is how many jobs done one after the other mean that all is well.
const inARow = 10

// well returns when the first of inARow jobs was submitted that were all done in
// time, and false if there is no such time.
func well(arrivals []arrival) (time.Duration, bool) {
	good := 0
	for i, a := range arrivals {
		if good++; a.outcome != done {
			good = 0
		}
		if good == inARow {
			return arrivals[i+1-inARow].due, true
		}
	}
	return 0, false
}
