// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// flood is an open loop against a core: jobs come by chance, however many there
// are, and workers take their time for each. All times are simulated.
type flood struct {
	core     *Core
	random   *rand.Rand
	now      Time
	workers  int
	hop      time.Duration // a message's way between master and worker
	job      time.Duration // a typical job
	deadline time.Duration
	run      func(*rand.Rand, time.Duration) time.Duration // how long a job takes
	heeds    bool                                          // handlers stop when they are cancelled

	places []place // by worker
	counts [outcomes]int
}

// place is what a worker is doing.
type place struct {
	job     Action
	busy    bool
	started Time
	until   Time
}

// offer submits jobs at a multiple of capacity for a while.
func (f *flood) offer(capacity, load float64, length time.Duration) {
	f.places = make([]place, f.workers+1)
	f.do(Event{Kind: EventRunnerUp, Runner: 1, Local: true})
	for w := 1; w <= f.workers; w++ {
		f.do(Event{Kind: EventWorkerUp, Worker: WorkerID(w), Services: []string{"s"}, Capacity: 1})
	}
	gap := func() time.Duration {
		return time.Duration(f.random.ExpFloat64() / (load * capacity) * float64(time.Second))
	}
	arrival, tag := Time(0).Add(gap()), uint64(0)
	for f.now < Time(length) {
		next, what := arrival, 0
		for w := 1; w <= f.workers; w++ {
			if p := f.places[w]; p.busy && p.until < next {
				next, what = p.until, w
			}
		}
		if at := f.core.NextDeadline(); at < next {
			next, what = at, -1
		}
		f.now = max(f.now, next)
		switch {
		case what < 0:
			f.do(Event{Kind: EventTick})
		case what > 0:
			p := f.places[what]
			f.places[what].busy = false
			f.do(Event{
				Kind: EventResult, Worker: WorkerID(what), Job: p.job.Job, Attempt: p.job.Attempt,
				Run: p.until.Sub(p.started) - f.hop,
			})
		default:
			tag++
			f.do(Event{
				Kind: EventSubmit, Runner: 1, Tag: tag, Service: "s",
				Deadline: f.now.Add(f.deadline), StartBy: f.now.Add(f.deadline),
			})
			arrival = arrival.Add(gap())
		}
	}
}

func (f *flood) do(ev Event) {
	if ev.Worker != 0 && ev.Kind != EventWorkerUp {
		f.core.Step(f.now, &Event{Kind: EventWorkerBeat, Worker: ev.Worker}, nil)
	}
	for _, a := range f.core.Step(f.now, &ev, nil) {
		switch a.Kind {
		case ActionAssign:
			begin := f.now.Add(f.hop)
			f.places[a.Worker] = place{job: a, busy: true, started: begin, until: begin.Add(f.run(f.random, f.job) + f.hop)}
		case ActionCancel:
			if p := &f.places[a.Worker]; f.heeds && p.busy && p.job.Job == a.Job {
				p.until = min(p.until, f.now.Add(2*f.hop))
			}
		case ActionReply:
			f.counts[a.Outcome]++
		default: // pings, and evictions that do not happen here
		}
	}
}

// Whatever is offered, the work done in time must stay at what the workers can
// do: a place given to a job that cannot make it is lost.
func TestGoodputUnderOverload(t *testing.T) {
	t.Parallel()

	const length = 10 * time.Second
	runs := []struct {
		name  string
		heeds bool
		least float64
		run   func(*rand.Rand, time.Duration) time.Duration
	}{
		{"steady", true, 0.95, func(r *rand.Rand, d time.Duration) time.Duration {
			return d + time.Duration(r.ExpFloat64()*float64(d)*0.01)
		}},
		{"steady, deaf handlers", false, 0.95, func(r *rand.Rand, d time.Duration) time.Duration {
			return d + time.Duration(r.ExpFloat64()*float64(d)*0.01)
		}},
		{"10 percent either way", false, 0.95, func(r *rand.Rand, d time.Duration) time.Duration {
			return time.Duration((0.9 + 0.2*r.Float64()) * float64(d))
		}},
		{"50 percent either way", false, 0.95, func(r *rand.Rand, d time.Duration) time.Duration {
			return time.Duration((0.5 + r.Float64()) * float64(d))
		}},
		// Of those that take so long many cannot make it, and nobody can tell.
		{"one of ten takes three times as long", false, 0.8, func(r *rand.Rand, d time.Duration) time.Duration {
			if r.IntN(10) == 0 {
				return 3 * d
			}
			return d
		}},
	}
	for _, x := range runs {
		for _, workers := range []int{1, 4, 16} {
			for _, load := range []float64{1, 2, 20} {
				t.Run(fmt.Sprintf("%s/%d workers/%v×", x.name, workers, load), func(t *testing.T) {
					t.Parallel()

					f := &flood{
						core: New(Config{}), random: rand.New(rand.NewPCG(1, 2)), workers: workers,
						hop: 100 * time.Microsecond, job: 20 * time.Millisecond, deadline: 100 * time.Millisecond,
						run: x.run, heeds: x.heeds,
					}
					mean := time.Duration(0)
					for range 10000 {
						mean += x.run(f.random, f.job) / 10000
					}
					capacity := float64(workers) / (mean + 2*f.hop).Seconds()
					f.offer(capacity, load, length)
					total := capacity * length.Seconds()
					share := func(o Outcome) float64 { return float64(f.counts[o]) / total }
					t.Logf("done %.3f of capacity, refused %.2f, expired waiting %.3f, expired running %.3f", share(OutcomeOK),
						share(OutcomeBusy), share(OutcomeTimedOutWaiting), share(OutcomeTimedOutRunning))
					if load >= 2 { // with less, arrivals by chance leave a few workers without a job now and then
						require.GreaterOrEqual(t, share(OutcomeOK), x.least)
					}
				})
			}
		}
	}
}
