// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/powerhose/powerhose/internal/sim"
)

// player plays many seeds.
type player struct {
	first, seeds, events uint64
	parallel             int
	patience             time.Duration
	shrink, going        bool

	mu     sync.Mutex
	next   uint64 // seed
	over   bool   // no more seeds
	total  sim.Stats
	failed int
	start  time.Time
	since  map[uint64]moment // when the seeds began that are played now
}

// reports is how often there is a line about how far it is.
const reports = 10 * time.Second

// play plays seed after seed, some at a time, and returns the exit code.
func (p *player) play(ctx context.Context) int {
	p.next, p.start, p.since = p.first, time.Now(), map[uint64]moment{}
	fmt.Fprintf(os.Stdout, "from seed %d, %d at a time\n", p.first, p.parallel)
	var players sync.WaitGroup
	for range max(p.parallel, 1) {
		players.Go(func() {
			for seed, ok := p.take(ctx); ok; seed, ok = p.take(ctx) {
				p.one(seed)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		players.Wait()
		close(done)
	}()
	p.watch(done)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.progress()
	summary(&p.total)
	if p.failed > 0 {
		return 1
	}
	return 0
}

// watch tells now and then how far it is, and ends everything if a seed hangs.
func (p *player) watch(done <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for said := p.start; ; {
		select {
		case <-done:
			return
		case now := <-tick.C:
			p.mu.Lock()
			for seed, since := range p.since {
				if p.hangs(since) {
					giveUp(seed, now.Sub(since.at))
				}
			}
			if now.Sub(said) >= reports {
				said = now
				p.progress()
			}
			p.mu.Unlock()
		}
	}
}

// moment is one on the clock, and how much of the processor was used until then.
type moment struct {
	at   time.Time
	used time.Duration
}

func now() moment {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it has no reason to fail
	return moment{time.Now(), time.Duration(u.Utime.Nano() + u.Stime.Nano())}
}

// hangs tells whether a seed that began then comes to no end. On a busy machine
// it may just not get the processor, so what counts is how much it got.
func (p *player) hangs(since moment) bool {
	n := now()
	return n.used-since.used > p.patience*time.Duration(max(p.parallel, 1)) || n.at.Sub(since.at) > 20*p.patience
}

// giveUp ends everything for a seed that hangs.
func giveUp(seed uint64, took time.Duration) {
	stacks := make([]byte, 64<<10)
	stacks = stacks[:runtime.Stack(stacks, true)]
	fmt.Fprintf(os.Stdout, "\nFAILED seed %d: it hangs, for %.0f s already\n%s\nagain: go run ./internal/sim/powerhose-sim -seed %d -trace\n",
		seed, took.Seconds(), stacks, seed)
	os.Exit(1)
}

// take returns the next seed, if there is to be one.
func (p *player) take(ctx context.Context) (seed uint64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.over, ctx.Err() != nil, p.seeds > 0 && p.next >= p.first+p.seeds, p.events > 0 && p.total.Events >= p.events:
		return 0, false
	}
	seed = p.next
	p.next++
	p.since[seed] = now()
	return seed, true
}

func (p *player) one(seed uint64) {
	res := sim.Run(seed, sim.Options{})
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.since, seed)
	p.total.Add(&res.Stats)
	f := res.Failure
	if f == nil || p.over {
		return
	}
	p.failed++
	p.over = !p.going
	if p.shrink {
		fmt.Fprintf(os.Stdout, "seed %d fails (%s): shrinking\n", seed, f.Text)
		clear(p.since) // the others wait meanwhile
		f = sim.Shrink(f)
	}
	show(f)
	fmt.Fprintf(os.Stdout, "that was after %d seeds and %d events\n\n", p.total.Seeds, p.total.Events)
}

func (p *player) progress() {
	s := &p.total
	took := time.Since(p.start).Seconds()
	fmt.Fprintf(os.Stdout, "%7.0f s: %d seeds, %.1f million events, %.2f million events/s, %d jobs, %d faults, %.1f h simulated, %d failures\n",
		took, s.Seeds, float64(s.Events)/1e6, float64(s.Events)/1e6/took, s.Jobs, s.Faulted(), s.Time.Hours(), p.failed)
}

func summary(s *sim.Stats) {
	fmt.Fprintln(os.Stdout, "outcomes:", s.OutcomeList())
	fmt.Fprintln(os.Stdout, "faults:", s.FaultList())
	fmt.Fprintln(os.Stdout, "seen:", s.SightList())
}

func show(f *sim.Failure) {
	fmt.Fprintf(os.Stdout, "\nFAILED %v\n", f)
	for _, line := range f.Trace {
		fmt.Fprintln(os.Stdout, line)
	}
	fmt.Fprintf(os.Stdout, "again: go run ./internal/sim/powerhose-sim -seed %d%v -trace\n\n", f.Seed, f.Cuts)
}
