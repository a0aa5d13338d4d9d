// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"log/slog"
	"slices"
	"time"

	"github.com/powerhose/powerhose/internal/dispatch"
	"github.com/powerhose/powerhose/internal/hub"
	"github.com/powerhose/powerhose/protocol"
)

// Kind of a Script: what may go wrong, and so what may not come of it.
type Kind uint8

// The kinds.
const (
	// Chaos: everything goes wrong.
	Chaos Kind = iota
	// Rolling: workers are drained and restarted, nothing else. No job is lost.
	Rolling
	// Calm: nothing goes wrong. No job and no worker is lost.
	Calm
)

func (k Kind) String() string { return [...]string{"chaos", "rolling", "calm"}[k] }

// Script is everything that a seed decides before the run.
type Script struct {
	Seed     uint64
	Kind     Kind
	Duration time.Duration // until the faults and the work end

	Hub      hub.Config
	Masters  int // stand-alone ones; 0: one in the process of the callers
	Hosts    int
	Runners  []RunnerSpec
	Workers  []WorkerSpec
	Services []Service
	Load     Load
	Faults   []Fault

	Delay time.Duration // of a message
	Lag   time.Duration // until a process runs
	Spend time.Duration // that a look at the clock takes, at most
	Drift int           // of clocks, at most: parts in 2^20
	HWM   int           // messages that a connection holds, each way
	Beats time.Duration // libzmq's own heartbeats of peers; 0 for none

	Unsent       int  // jobs that wait for a master in a runner
	RunnerBatch  int  // records
	RunnersWatch bool // runners have a pidfd of their master
	Patience     time.Duration
	WorkerDrain  time.Duration
	BadLedgers   int // one in so many is no good

	present Cuts
}

// RunnerSpec is a runner's process.
type RunnerSpec struct {
	Host    int
	Callers int
}

// WorkerSpec is a worker.
type WorkerSpec struct {
	Host     int
	Master   int
	Services []string
	Capacity int
	Prefetch int
	Batch    int
	Ledger   bool
	Listen   bool
	Silent   bool // it does not measure
	Bare     bool // it computes in its only thread, and takes one job at a time
}

// Service is a kind of job.
type Service struct {
	Name string
	Run  time.Duration // of its handler, about
	// Odd: one in so many takes Long.
	Odd  int
	Long time.Duration
}

func (s *Service) draw(r *random) time.Duration {
	if s.Odd > 0 && r.oneIn(s.Odd) {
		return s.Long
	}
	return s.Run/4 + r.about(s.Run)
}

// Load is what callers do.
type Load struct {
	Pause   time.Duration // between two jobs, about
	Within  time.Duration // until the deadline, about
	Retries int           // one in so many jobs may be tried again
	Cancels int           // one in so many is cancelled
}

// Draw makes the script of a seed.
func Draw(seed uint64) *Script {
	r := stream(seed, "script")
	s := &Script{Seed: seed, Kind: pick(&r, Chaos, Chaos, Chaos, Chaos, Chaos, Chaos, Rolling, Calm)}
	s.Duration = r.between(500*time.Millisecond, 4*time.Second)
	s.Masters = pick(&r, 0, 0, 1, 1, 1, 2, 2, 3)
	s.Hosts = pick(&r, 1, 1, 2, 3)
	s.Delay = pick[time.Duration](&r, 5, 20, 20, 100, 1000) * time.Microsecond
	s.Lag = pick[time.Duration](&r, 2, 10, 10, 50, 300) * time.Microsecond
	s.Spend = pick[time.Duration](&r, 0, 2, 20) * time.Microsecond
	s.Drift = pick(&r, 0, 100, 100, 20_000)
	s.HWM = pick(&r, 600, 4000, 32768)
	if s.Kind == Chaos && r.oneIn(5) {
		s.HWM = 12 + r.below(40)
	}
	s.Beats = pick(&r, 0, 500*time.Millisecond, 3*time.Second, 3*time.Second)
	s.Unsent = pick(&r, 4, 64, 16384)
	s.RunnerBatch = pick(&r, 0, 16, 256)
	s.RunnersWatch = r.oneIn(2)
	s.Patience = pick(&r, protocol.Patience, 500*time.Millisecond, 2*time.Second)
	s.WorkerDrain = pick(&r, 30*time.Second, 30*time.Second, 200*time.Millisecond)
	s.BadLedgers = pick(&r, 1_000_000, 8)
	s.drawHub(&r)
	s.drawServices(&r)
	s.drawLoad(&r)
	s.drawPlaces(&r)
	switch s.Kind { //nolint:exhaustive // chaos is what was drawn
	case Calm, Rolling:
		s.WorkerDrain, s.BadLedgers = 30*time.Second, 1_000_000
		s.Hub.Dispatch.Grace = 10 * time.Second
		s.Hub.Dispatch.Heartbeat = max(s.Hub.Dispatch.Heartbeat, 300*time.Millisecond)
		if s.Beats > 0 {
			s.Beats = 3 * time.Second
		}
	}
	s.drawFaults(&r)
	if s.Kind == Chaos && r.oneIn(5) { // a dead worker may stand in the way of its successor
		s.Hub.MaxWorkers, s.Hub.MaxRunners = len(s.Workers)+r.below(2), len(s.Runners)+r.below(2)
	}
	return s
}

func (s *Script) drawHub(r *random) {
	s.Hub = hub.Config{
		Dispatch: dispatch.Config{
			Heartbeat:       pick[time.Duration](r, 50, 100, 300, 1000) * time.Millisecond,
			Liveness:        pick(r, 2, 3, 3, 5),
			Grace:           pick[time.Duration](r, 20, 200, 1000) * time.Millisecond,
			MaxWaiting:      pick(r, 1, 8, 16384, 16384),
			MaxWaitingBytes: int64(pick(r, 20_000, 1<<20, 1<<20)),
			PrefetchBudget:  pick[time.Duration](r, 100, 1000, 1000, 20_000) * time.Microsecond,
		},
		Batch:    pick(r, -1, 4, 0),
		Prefetch: pick(r, -1, 2, 0),
		Logger:   slog.New(slog.DiscardHandler),
	}
}

func (s *Script) drawServices(r *random) {
	names := []string{"", "a", "b", "crypto"}[:1+r.below(4)]
	for _, name := range names {
		sv := Service{Name: name, Run: pick[time.Duration](r, 5, 20, 100, 100, 500, 2000, 10_000, 50_000) * time.Microsecond}
		if r.oneIn(3) {
			sv.Odd, sv.Long = 20+r.below(400), r.between(10*time.Millisecond, 400*time.Millisecond)
		}
		switch {
		case s.Kind == Chaos && r.oneIn(6):
			sv.Odd, sv.Long = 100+r.below(400), time.Hour // it hangs
		case s.Kind != Chaos && r.oneIn(3):
			sv.Odd, sv.Long = 100+r.below(400), r.between(time.Second, 3*time.Second) // it must not pass for hung, nor for silent
		}
		s.Services = append(s.Services, sv)
	}
}

func (s *Script) drawLoad(r *random) {
	s.Load = Load{
		Pause:   pick[time.Duration](r, 100, 500, 2000, 10_000) * time.Microsecond,
		Within:  pick[time.Duration](r, 3, 30, 200, 1000) * time.Millisecond,
		Retries: pick(r, 1_000_000, 4, 2),
		Cancels: pick(r, 1_000_000, 20, 4),
	}
}

func (s *Script) drawPlaces(r *random) {
	most := 1 + r.below(4)
	if s.Masters == 0 {
		most = 1
	}
	for range most {
		s.Runners = append(s.Runners, RunnerSpec{Host: r.below(s.Hosts), Callers: 1 + r.below(12)})
	}
	all := make([]string, 0, len(s.Services))
	for _, sv := range s.Services {
		all = append(all, sv.Name)
	}
	masters := max(s.Masters, 1)
	for i := range masters + r.below(7) {
		k := WorkerSpec{
			Host: r.below(s.Hosts), Master: i % masters, Capacity: pick(r, 1, 1, 2, 4),
			Prefetch: pick(r, 0, 1, 4, 32), Batch: pick(r, 0, 4, 33), Ledger: r.oneIn(2),
			Listen: r.oneIn(6), Silent: r.oneIn(8), Bare: r.oneIn(6),
		}
		if s.Masters == 0 || r.oneIn(2) {
			k.Host = 0
		}
		if k.Services = slices.Clone(all); i >= masters && r.oneIn(2) {
			k.Services = k.Services[r.below(len(all)):]
		}
		s.Workers = append(s.Workers, k)
	}
}

func (s *Script) drawFaults(r *random) {
	masters := max(s.Masters, 1)
	first := masters // of the workers, in the order of places
	if s.Masters > 0 {
		first += len(s.Runners)
	}
	n := first + len(s.Workers)
	switch s.Kind { //nolint:exhaustive // chaos is what was drawn
	case Calm:
		return
	case Rolling:
		for i := range 1 + r.below(20) {
			at := 300*time.Millisecond + time.Duration(i)*r.between(150*time.Millisecond, 400*time.Millisecond)
			s.Faults = append(s.Faults, Fault{Kind: FaultDrain, At: at, For: time.Minute, Place: first + i%len(s.Workers)})
		}
		return
	}
	often := r.between(5*time.Millisecond, 150*time.Millisecond)
	for at := r.about(often); at < s.Duration; at += r.about(often) {
		f := Fault{
			At: at, Place: r.below(n), Other: r.below(s.Hosts),
			For: pick[time.Duration](r, 2, 20, 100, 500, 1500) * time.Millisecond,
			Kind: pick(r, FaultKill, FaultKill, FaultPause, FaultPause, FaultPause, FaultCut, FaultCut,
				FaultPartition, FaultBoth, FaultSlow, FaultDrain, FaultLeave, FaultRepeat, FaultRepeat, FaultFreeze),
		}
		if f.Place >= masters && f.Place < first || f.Place < masters && r.oneIn(3) {
			f.Place = first + r.below(len(s.Workers)) // rather a worker
		}
		if f.Kind == FaultPause && r.oneIn(6) {
			f.For = r.between(2*time.Second, 7*time.Second)
		}
		s.Faults = append(s.Faults, f)
	}
}

// number is the place of a service.
func (s *Script) number(name string) int {
	for i := range s.Services {
		if s.Services[i].Name == name {
			return i
		}
	}
	panic("sim: an unknown service")
}

// bit is the bit of a service in a set.
func (s *Script) bit(name string) uint64 { return 1 << s.number(name) }

func (s *Script) bits(names []string) (bits uint64) {
	for _, name := range names {
		bits |= s.bit(name)
	}
	return bits
}

// forbid knows which outcomes must not be when little or nothing went wrong.
func (s *Script) forbid(w *world, j *job, a answer) {
	if s.Kind == Chaos {
		return
	}
	switch a.outcome {
	case int(protocol.OutcomeWorkerLost), int(protocol.OutcomeClosed), outcomeMasterLost:
		if a.outcome == outcomeMasterLost && w.now < 100*time.Millisecond {
			return // it is not there yet
		}
		w.fail(j, "%s, although nothing went wrong", outcomeName(a.outcome))
	}
}
