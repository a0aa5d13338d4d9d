// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/powerhose/powerhose/bench/internal/rig"
	"github.com/powerhose/powerhose/jobrunner"
)

// setup is a master with its workers.
type setup struct {
	name       string
	title      string
	standAlone bool
	varies     bool // each job takes between half and one and a half of the job time
	service    string
	workers    int
}

func setups(o options) []setup {
	least, most := o.job/2, o.job*3/2
	return []setup{
		{name: "master", title: "stand-alone master, jobs that sleep", standAlone: true, service: "sleep", workers: o.sleepers},
		{
			name: "varying", title: fmt.Sprintf("stand-alone master, jobs that sleep for %v to %v", least, most), varies: true,
			standAlone: true, service: "sleep", workers: o.sleepers,
		},
		{name: "embedded", title: "embedded master, jobs that sleep", service: "sleep", workers: o.sleepers},
		{name: "burn", title: "embedded master, jobs that compute", service: "burn", workers: runtime.NumCPU()},
	}
}

// point is a setup under one load, once.
type point struct {
	Load  float64 `json:"load"` // of capacity
	Round int     `json:"round"`
	tally
	// RSSBefore and RSSMost are the master's, before and during the flood.
	RSSBefore int64 `json:"rss_before_bytes"`
	RSSMost   int64 `json:"rss_max_bytes"`
	// Single is how long a job with the default deadline took that was
	// submitted at the end of the flood.
	Single float64 `json:"single_after_ms"`
	// Recovery is how long after the end of the flood the first of ten jobs was
	// submitted that were all done in time, at 0.8 of capacity from then on.
	Recovery float64 `json:"recovery_ms"`
}

// series is a setup under all loads.
type series struct {
	Name     string  `json:"name"`
	Title    string  `json:"title"`
	Workers  int     `json:"workers"`
	Nominal  float64 `json:"nominal_per_s"`  // workers / job time
	Capacity float64 `json:"capacity_per_s"` // measured with as many callers as keep all workers busy
	Points   []point `json:"points"`
	// RSSFirst and RSSLast are the master's before the first flood and after the
	// last.
	RSSFirst int64 `json:"rss_first_bytes"`
	RSSLast  int64 `json:"rss_last_bytes"`
	// Foreign is how many processors others used meanwhile: noise.
	Foreign float64 `json:"foreign_cpu"`
}

// bench is a setup that is up.
type bench struct {
	options
	setup
	runner *jobrunner.Runner
	master int // the process with the master in it
	log    func(format string, args ...any)
}

func (s setup) measure(ctx context.Context, o options) (out series, err error) {
	b := &bench{options: o, setup: s, master: os.Getpid(), log: func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, s.name+": "+format+"\n", args...)
	}}
	meter := rig.StartMeter()
	stop, err := b.start(ctx)
	defer func() {
		err = errors.Join(err, stop())
		out.Foreign = meter.Foreign()
	}()
	if err != nil {
		return out, err
	}
	out = series{
		Name: s.name, Title: s.title, Workers: s.workers,
		Nominal: float64(s.workers) / o.job.Seconds(),
	}
	if out.Capacity, err = b.capacity(ctx); err != nil {
		return out, err
	}
	b.log("capacity %.1f jobs/s, of %.0f without any overhead", out.Capacity, out.Nominal)
	// Once through without a look, so that heaps and stacks have their size.
	if _, err := b.flood(ctx, out.Capacity, o.loads[len(o.loads)-1], 0); err != nil {
		return out, err
	}
	if out.RSSFirst, err = rig.RSS(b.master); err != nil {
		return out, err
	}
	for round := 1; round <= o.rounds; round++ {
		for _, load := range o.loads {
			p, err := b.flood(ctx, out.Capacity, load, round)
			if err != nil {
				return out, err
			}
			b.log("round %d, offered %5.2f: done %.3f of capacity, refused in %.2f ms at p99, RSS %.1f MiB, well after %.0f ms",
				round, load, p.Goodput/out.Capacity, p.RefusedP99, float64(p.RSSMost)/(1<<20), p.Recovery)
			out.Points = append(out.Points, p)
		}
	}
	out.RSSLast, err = rig.RSS(b.master)
	return out, err
}

// start starts processes; stop is never nil.
func (b *bench) start(ctx context.Context) (stop func() error, err error) {
	r, err := rig.New()
	if err != nil {
		return func() error { return nil }, err
	}
	stop = r.Close
	before := func(f func() error) {
		after := stop
		stop = func() error { return errors.Join(f(), after()) }
	}
	if b.standAlone {
		m, err := r.Role("master")
		if err != nil {
			return stop, err
		}
		b.master = m.PID()
		before(func() error { return m.Stop(syscall.SIGTERM) })
		b.runner, err = jobrunner.Connect(jobrunner.Config{Masters: []string{r.Frontend}})
		if err != nil {
			return stop, err
		}
	} else {
		b.runner, err = jobrunner.Start(jobrunner.Config{Workers: jobrunner.NoWorkers, Backend: r.Backend})
		if err != nil {
			return stop, err
		}
	}
	before(b.runner.Close)
	for range b.workers {
		w, err := r.Role("worker")
		if err != nil {
			return stop, err
		}
		before(func() error { return w.Stop(syscall.SIGTERM) })
	}
	ctx, cancel := context.WithTimeout(ctx, rig.Patience)
	defer cancel()
	return stop, b.awaitWorkers(ctx)
}

func (b *bench) awaitWorkers(ctx context.Context) error {
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for {
		status, err := b.runner.Status(ctx)
		if err == nil && len(status.Workers) == b.workers {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d workers registered: %w", len(status.Workers), b.workers, context.Cause(ctx))
		}
	}
}

// task is a job that takes the job time.
func (b *bench) task(timeout time.Duration) jobrunner.Job {
	return jobrunner.Job{Service: b.service, Payload: strconv.AppendInt(nil, b.job.Milliseconds(), 10), Timeout: timeout}
}

// payloads makes a job take the time that it takes in this setup.
func (b *bench) payloads(random *rand.Rand) func() []byte {
	return func() []byte {
		ms := b.job.Milliseconds()
		if b.varies {
			ms = ms/2 + random.Int64N(ms+1)
		}
		return strconv.AppendInt(nil, ms, 10)
	}
}

func (b *bench) limit() time.Duration { return time.Duration(float64(b.job) * b.deadline) }

// capacity is how many jobs are done each second while two callers for each
// worker wait for nothing but their own job.
func (b *bench) capacity(ctx context.Context) (float64, error) {
	var on, over atomic.Bool
	var jobs atomic.Int64
	failed := make(chan error, 2*b.workers)
	var callers sync.WaitGroup
	for i := range 2 * b.workers {
		callers.Go(func() {
			job, payload := b.task(0), b.payloads(rand.New(rand.NewPCG(b.seed, uint64(i))))
			for !over.Load() {
				job.Payload = payload()
				if _, err := b.runner.Do(ctx, job); err != nil {
					failed <- err
					return
				}
				if on.Load() {
					jobs.Add(1)
				}
			}
		})
	}
	pause(ctx, b.length/4)
	on.Store(true)
	began := time.Now()
	pause(ctx, b.length)
	on.Store(false)
	length := time.Since(began)
	over.Store(true)
	callers.Wait()
	select {
	case err := <-failed:
		return 0, fmt.Errorf("measure the capacity: %w", err)
	default:
		return float64(jobs.Load()) / length.Seconds(), nil
	}
}

// flood offers one load for a while, and looks at what comes after.
func (b *bench) flood(ctx context.Context, capacity, load float64, round int) (p point, err error) {
	limit := b.limit()
	lead := max(2*limit, 200*time.Millisecond) // until everything is as it stays
	length := lead + b.length
	random := rand.New(rand.NewPCG(b.seed, uint64(round)<<32|uint64(load*100)))
	p = point{Load: load, Round: round}
	if p.RSSBefore, err = rig.RSS(b.master); err != nil {
		return p, err
	}
	most := watch(b.master)
	flood := &loop{runner: b.runner, job: b.task(limit), payload: b.payloads(random)}
	if err := flood.offer(ctx, poisson(random, int(load*capacity*length.Seconds()), length)); err != nil {
		return p, err
	}
	pause(ctx, length-time.Since(flood.began))

	single := make(chan time.Duration, 1)
	go func() {
		began := time.Now()
		if _, err := b.runner.Do(ctx, b.task(0)); err != nil {
			single <- -1
			return
		}
		single <- time.Since(began)
	}()
	calm := &loop{runner: b.runner, job: b.task(limit), payload: b.payloads(random)}
	rest := 4*limit + 500*time.Millisecond
	if err := calm.offer(ctx, even(int(0.8*capacity*rest.Seconds()), rest)); err != nil {
		return p, err
	}
	flood.wait()
	calm.wait()
	p.RSSMost = max(most(), p.RSSBefore)
	p.tally = flood.tally(lead, length)
	p.Single, p.Recovery = float64(<-single)/1e6, -1
	if at, ok := well(calm.arrivals); ok {
		p.Recovery = float64(at) / 1e6
	}
	return p, ctx.Err()
}

// watch looks at a process's memory until the function that it returns is
// called, which tells the most that was seen.
func watch(pid int) (most func() int64) {
	ctx, stop := context.WithCancel(context.Background())
	result := make(chan int64)
	go func() {
		var peak int64
		for ctx.Err() == nil {
			if n, err := rig.RSS(pid); err == nil {
				peak = max(peak, n)
			}
			pause(ctx, 20*time.Millisecond)
		}
		result <- peak
	}()
	return func() int64 { stop(); return <-result }
}

// pause waits that long, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
