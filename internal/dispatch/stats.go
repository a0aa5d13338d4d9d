// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"slices"
	"strings"
	"time"
)

// Counters count since the start; they only grow.
type Counters struct {
	Submitted uint64
	// Outcomes counts the answered jobs by Outcome.
	Outcomes [outcomes]uint64
	// Assigned counts jobs handed to a worker, repeats included.
	Assigned uint64
	// Redispatched counts jobs that were with a lost worker, had certainly not
	// started, and were given to another silently.
	Redispatched uint64
	// Retried counts jobs run again because their callers allow it.
	Retried uint64
	// Returned counts jobs that workers gave back unstarted.
	Returned uint64
	// Late counts answers of workers that came too late, or were never asked for.
	Late uint64
	// Evicted counts workers that were silent or hung, WorkersLost all that
	// went without a drain, WorkersSeen all registrations.
	Evicted, WorkersLost, WorkersSeen uint64
	// Ignored counts events that made no sense in the state they came in.
	Ignored uint64
}

// WorkerStats is a moment of one worker.
type WorkerStats struct {
	Worker       WorkerID
	Draining     bool
	Running      int // jobs it has, prefetched ones included
	Done, Failed uint64
}

// ServiceStats is a moment of one service.
type ServiceStats struct {
	Name     string
	Workers  int // ready ones that offer it
	Capacity int
	Waiting  int
	// TypicalRun is the 10th percentile of the latest run times, 0 if unknown.
	TypicalRun time.Duration
}

// Stats is a moment of the whole Core.
type Stats struct {
	Counters
	Waiting      int
	WaitingBytes int64
	// Running is how many jobs are with workers and awaited, Abandoned how many
	// are with workers although their callers have their outcome.
	Running, Abandoned int
	Runners            int
	Draining           bool
	Workers            []WorkerStats
	Services           []ServiceStats
}

// Jobs is how many jobs there are, waiting or with a worker.
func (c *Core) Jobs() int { return c.jobs.live }

// Stats returns a snapshot; workers are in the order of their ids, services in
// the order of their names.
func (c *Core) Stats() Stats {
	s := Stats{
		Counters: c.counters, Waiting: c.waiting, WaitingBytes: c.waitingBytes,
		Runners: len(c.runners), Draining: c.draining,
	}
	for _, w := range c.sortedWorkers() {
		for j := w.jobs.first; j != nil; j = j.onWorker.next {
			if j.state == jobAbandoned {
				s.Abandoned++
			} else {
				s.Running++
			}
		}
		s.Workers = append(s.Workers, WorkerStats{
			Worker: w.id, Draining: w.state == workerDraining,
			Running: w.jobs.n, Done: w.done, Failed: w.failed,
		})
	}
	for _, sv := range c.services {
		st := ServiceStats{
			Name: sv.name, Capacity: sv.capacity(), Waiting: sv.queue.n,
			TypicalRun: sv.estimate.low,
		}
		for _, k := range sv.classes {
			st.Workers += len(k.heap)
		}
		s.Services = append(s.Services, st)
	}
	slices.SortFunc(s.Services, func(a, b ServiceStats) int { return strings.Compare(a.Name, b.Name) })
	return s
}

// Workers is how many workers are registered.
func (c *Core) Workers() int { return len(c.workers) }

// Runners is how many runners are connected.
func (c *Core) Runners() int { return len(c.runners) }
