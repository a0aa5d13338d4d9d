// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bench is a core that works in a steady state: cycle submits one job, then
// finishes the one that has been assigned for the longest time.
type bench struct {
	core     *Core
	now      Time
	ev       Event
	out      []Action
	services []string
	tag      uint64
	run      time.Duration
	given    []Action // a ring of the assigned jobs
	from, to int
}

func newBench(workers, capacity, prefetch, services int) *bench {
	b := &bench{core: New(Config{}), given: make([]Action, 1<<15), run: 50 * time.Millisecond}
	for i := range services {
		b.services = append(b.services, fmt.Sprintf("service-%d", i))
	}
	b.do(Event{Kind: EventRunnerUp, Runner: 1, Local: true})
	for i := range workers {
		b.do(Event{
			Kind: EventWorkerUp, Worker: WorkerID(i + 1), Services: []string{b.services[i%services]},
			Capacity: capacity, Prefetch: prefetch,
		})
	}
	return b
}

func (b *bench) do(ev Event) {
	b.ev = ev
	b.out = b.core.Step(b.now, &b.ev, b.out[:0])
	for i := range b.out {
		if b.out[i].Kind == ActionAssign {
			b.given[b.to%len(b.given)] = b.out[i]
			b.to++
		}
	}
}

var benchPayload = make([]byte, 100)

func (b *bench) submit() {
	b.tag++
	b.do(Event{
		Kind: EventSubmit, Runner: 1, Tag: b.tag, Service: b.services[b.tag%uint64(len(b.services))],
		Deadline: b.now.Add(time.Hour), StartBy: b.now.Add(time.Hour), Payload: benchPayload,
	})
}

func (b *bench) result() {
	a := &b.given[b.from%len(b.given)]
	b.from++
	b.do(Event{Kind: EventResult, Worker: a.Worker, Job: a.Job, Attempt: a.Attempt, Run: b.run, Payload: benchPayload})
}

func (b *bench) cycle() {
	b.now += 1000
	b.submit()
	b.result()
}

// benches are the steady states that are measured and that must not allocate.
// Of the submitted jobs as many as ahead are not finished yet.
var benches = []struct {
	name                                  string
	workers, capacity, prefetch, services int
	run                                   time.Duration
	ahead                                 int
}{
	{"2 workers", 2, 1, 0, 1, 50 * time.Millisecond, 0},
	{"2 workers, quick jobs", 2, 1, 0, 1, 10 * time.Microsecond, 0},
	{"2 workers, 1024 waiting", 2, 1, 0, 1, 50 * time.Millisecond, 1026},
	{"2 workers, 1024 waiting, quick jobs", 2, 1, 16, 1, 10 * time.Microsecond, 1058},
	{"1000 workers, 100 services", 1000, 1, 0, 100, 50 * time.Millisecond, 500},
	{"1000 workers, 100 services, 1024 waiting", 1000, 1, 0, 100, 50 * time.Millisecond, 2024},
	{"1000 workers, 100 services, quick jobs", 1000, 1, 16, 100, 10 * time.Microsecond, 500},
}

// steady returns a core in that state, in which everything has grown as far as
// it will.
func steady(i int) *bench {
	x := benches[i]
	b := newBench(x.workers, x.capacity, x.prefetch, x.services)
	b.run = x.run
	for range 100 * x.services {
		b.cycle()
	}
	for range x.ahead {
		b.submit()
	}
	for range 5000 {
		b.cycle()
	}
	return b
}

// BenchmarkJob is one job from its submission to its reply.
func BenchmarkJob(b *testing.B) {
	for i, x := range benches {
		b.Run(x.name, func(b *testing.B) {
			s := steady(i)
			b.ReportAllocs()
			for b.Loop() {
				s.cycle()
			}
		})
	}
}

// BenchmarkFreedWorker is the same beside waiting jobs of many services that
// nobody offers: what a runner asks for must not slow the others down.
func BenchmarkFreedWorker(b *testing.B) {
	for _, n := range []int{0, 16000} {
		b.Run(fmt.Sprintf("%d services nobody offers", n), func(b *testing.B) {
			s := newBench(2, 1, 0, 1)
			offered := s.services
			for i := range n {
				s.services = []string{fmt.Sprintf("nobody's-%d", i)}
				s.submit()
			}
			s.services = offered
			for range 100 {
				s.submit()
			}
			b.ReportAllocs()
			for b.Loop() {
				s.cycle()
			}
		})
	}
}

// TestJobsAllocateNothing: garbage on the job path would cost more than all the
// rest of it.
func TestJobsAllocateNothing(t *testing.T) {
	for i, x := range benches { // not parallel: AllocsPerRun counts everybody's
		b := steady(i)
		check(t, b.core)
		s := b.core.Stats()
		require.Equal(t, x.ahead, s.Waiting+s.Running, x.name)
		require.Zero(t, testing.AllocsPerRun(2000, b.cycle), x.name)
		check(t, b.core)
	}
}
