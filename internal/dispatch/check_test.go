// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
)

// check fails the test when c's internals contradict each other. It is meant to
// be called after every Step.
func check(t require.TestingT, c *Core) {
	if h, ok := t.(interface{ Helper() }); ok {
		h.Helper()
	}
	ck := checker{c: c, home: map[*job]string{}, awaited: map[*job]bool{}, armed: map[*timer]bool{}}
	ck.all()
	require.NoError(t, ck.err, "the core's state is inconsistent")
}

// checker collects what the lists say and compares it with everything that is
// kept beside them. It reports the first contradiction.
type checker struct {
	c       *Core
	home    map[*job]string // the one place of each live job
	awaited map[*job]bool   // jobs in a runner's list
	armed   map[*timer]bool // timers that must be in the heap
	err     error
}

func (ck *checker) that(ok bool, format string, args ...any) {
	if !ok && ck.err == nil {
		ck.err = fmt.Errorf(format, args...)
	}
}

func (ck *checker) all() {
	ck.that(ck.c.out == nil, "out is kept after Step")
	ck.services()
	ck.backlog()
	ck.classes()
	ck.workers()
	ck.runners()
	ck.slab()
	if d := &ck.c.drain; ck.c.draining && !ck.c.drained {
		ck.armed[d] = true
	}
	ck.timers()
	ck.conservation()
}

// list compares a list with its links and returns its jobs.
func (ck *checker) list(name string, l *list) []*job {
	var jobs []*job
	var prev *job
	for j := l.first; j != nil && len(jobs) <= l.n; j = l.of(j).next {
		ck.that(l.of(j).prev == prev, "%s: job %x: wrong link back", name, j.id)
		jobs = append(jobs, j)
		prev = j
	}
	ck.that(l.last == prev, "%s: wrong last", name)
	ck.that(l.n == len(jobs), "%s: n is %d with %d jobs", name, l.n, len(jobs))
	return jobs
}

func (ck *checker) settle(j *job, place string) {
	ck.that(ck.home[j] == "", "job %x is in %s and in %s", j.id, ck.home[j], place)
	ck.home[j] = place
}

func (ck *checker) services() {
	waiting, bytes := 0, int64(0)
	for name, s := range ck.c.services {
		at := fmt.Sprintf("service %q", name)
		ck.that(s.name == name, "%s is called %q", at, s.name)
		ck.that(len(s.classes) > 0 || s.queue.n > 0, "%s: nothing refers to it", at)
		for i, k := range s.classes {
			ck.that(ck.c.classes[k.key] == k, "%s: class %q is not registered", at, k.key)
			ck.that(slices.Contains(k.services, s), "%s: class %q does not know it", at, k.key)
			ck.that(slices.Index(s.classes, k) == i, "%s: class %q twice", at, k.key)
		}
		arrival := uint64(0)
		for _, j := range ck.list(at, &s.queue) {
			ck.settle(j, at)
			waiting++
			bytes += j.size()
			ck.that(j.state == jobWaiting && j.service == s, "%s: job %x does not belong here", at, j.id)
			ck.that(j.worker == nil, "%s: job %x waits and has a worker", at, j.id)
			ck.that(j.arrival > arrival, "%s: job %x is out of order", at, j.id)
			ck.that(j.timer.at == j.startBy && j.startBy <= j.deadline, "%s: job %x: wrong timer", at, j.id)
			ck.armed[&j.timer] = true
			arrival = j.arrival
		}
		ck.that((s.backlog >= 0) == (s.queue.n > 0), "%s: backlog %d with %d waiting", at, s.backlog, s.queue.n)
		running := 0
		for _, w := range ck.c.workers {
			for j := w.jobs.first; j != nil; j = j.onWorker.next {
				if j.service == s {
					running++
				}
			}
		}
		ck.that(s.running == running, "%s: running is %d, not %d", at, s.running, running)
	}
	ck.that(ck.c.waiting == waiting, "waiting is %d, not %d", ck.c.waiting, waiting)
	ck.that(ck.c.waitingBytes == bytes, "waitingBytes is %d, not %d", ck.c.waitingBytes, bytes)
}

func (ck *checker) backlog() {
	for i, s := range ck.c.backlog {
		ck.that(s.backlog == i, "backlog: %q is at %d, not %d", s.name, i, s.backlog)
		ck.that(ck.c.services[s.name] == s, "backlog: %q is no service any more", s.name)
	}
}

func (ck *checker) classes() {
	for key, k := range ck.c.classes {
		at := fmt.Sprintf("class %q", key)
		var names []string
		for _, s := range k.services {
			names = append(names, s.name)
			ck.that(ck.c.services[s.name] == s && slices.Contains(s.classes, k), "%s: %q does not know it", at, s.name)
		}
		ck.that(k.key == key && key == classKey(names), "%s has the services %q", at, names)
		capacity, workers := 0, 0
		for i, w := range k.heap {
			capacity += w.capacity
			ck.that(w.heap == i && w.class == k, "%s: worker %d has a wrong place", at, w.id)
			ck.that(w.state == workerReady, "%s: worker %d is not ready", at, w.id)
			ck.that(i == 0 || !w.less(k.heap[(i-1)/2]), "%s: not a heap at %d", at, i)
		}
		for _, w := range ck.c.workers {
			if w.class == k {
				workers++
				ck.that(k.prefetch || w.prefetch == 0, "%s: does not know of prefetch", at)
			}
		}
		ck.that(workers > 0 && k.workers == workers, "%s: workers is %d, not %d", at, k.workers, workers)
		ck.that(k.capacity == capacity, "%s: capacity is %d, not %d", at, k.capacity, capacity)
	}
}

func (ck *checker) workers() {
	turns := map[uint64]bool{}
	for id, w := range ck.c.workers {
		at := fmt.Sprintf("worker %d", id)
		ck.that(w.id == id, "%s is called %d", at, w.id)
		ck.that(ck.c.classes[w.class.key] == w.class, "%s: its class is gone", at)
		ck.that((w.heap >= 0) == (w.state == workerReady), "%s: place %d in state %d", at, w.heap, w.state)
		ck.that(w.state != workerDraining || !w.idle(), "%s: drained and still here", at)
		ck.that(!turns[w.turn] && w.turn <= ck.c.turns, "%s: turn %d again", at, w.turn)
		turns[w.turn] = true
		ck.that(w.jobs.n <= w.capacity+w.prefetch, "%s: %d jobs, beyond its capacity", at, w.jobs.n)
		ck.workerJobs(at, w)
		if w.state != workerEvicting {
			ck.armed[&w.beat] = true
			if w.jobs.n > w.capacity {
				ck.armed[&w.recall] = true
			}
		}
	}
}

func (ck *checker) workerJobs(at string, w *worker) {
	backlog, seq := time.Duration(0), uint64(0)
	var behind *job
	for i, j := range ck.list(at, &w.jobs) {
		ck.settle(j, at)
		backlog += j.cost
		ck.that(j.state == jobAssigned || j.state == jobAbandoned, "%s: job %x in state %d", at, j.id, j.state)
		ck.that(j.worker == w && w.class.offers(j.service), "%s: job %x does not belong here", at, j.id)
		ck.that(ck.c.services[j.service.name] == j.service, "%s: job %x: its service is gone", at, j.id)
		ck.that(j.seq > seq && j.seq <= w.assigned, "%s: job %x: seq %d", at, j.id, j.seq)
		ck.that(j.attempt > 0, "%s: job %x: no attempt", at, j.id)
		ck.that(j.behind == (i >= w.capacity), "%s: job %x at %d: behind is %v", at, j.id, i, j.behind)
		if i == w.capacity {
			behind = j
		}
		seq = j.seq
		switch {
		case j.state == jobAssigned:
			ck.armed[&j.timer] = true
			ck.that(j.timer.at == j.deadline, "%s: job %x: wrong timer", at, j.id)
		case !j.behind && w.state != workerEvicting:
			ck.armed[&j.timer] = true
			ck.that(j.timer.at >= j.deadline.Add(ck.c.cfg.Grace), "%s: job %x: short grace", at, j.id)
		case !j.behind && j.timer.index >= 0: // of a worker that is being evicted anyway
			ck.armed[&j.timer] = true
		}
	}
	ck.that(w.behind == behind, "%s: wrong first job behind", at)
	ck.that(w.backlog == backlog, "%s: backlog is %v, not %v", at, w.backlog, backlog)
	if last := w.jobs.last; last != nil && last.behind && w.jobs.n > w.capacity {
		limit := ck.c.cfg.PrefetchBudget * time.Duration(w.capacity)
		ck.that(backlog <= limit, "%s: prefetched %v of work", at, backlog)
	}
}

func (ck *checker) runners() {
	for id, r := range ck.c.runners {
		at := fmt.Sprintf("runner %d", id)
		ck.that(r.id == id, "%s is called %d", at, r.id)
		jobs := ck.list(at, &r.jobs)
		ck.that(len(r.tags) == len(jobs), "%s: %d tags of %d jobs", at, len(r.tags), len(jobs))
		for _, j := range jobs {
			ck.that(!ck.awaited[j], "%s: job %x is awaited twice", at, j.id)
			ck.awaited[j] = true
			ck.that(j.runner == r && r.tags[j.tag] == j, "%s: job %x does not belong here", at, j.id)
		}
		ck.that(!ck.c.drained || len(jobs) == 0, "%s: drained with %d jobs", at, len(jobs))
		if !r.local {
			ck.armed[&r.beat] = true
		}
	}
}

func (ck *checker) slab() {
	s := &ck.c.jobs
	free := map[uint32]bool{}
	for _, place := range s.free {
		ck.that(!free[place], "slab: %d is free twice", place)
		free[place] = true
	}
	for i, j := range s.jobs {
		ck.that(uint32(j.id) == uint32(i) && j.timer.job == j, "slab: job %x at %d", j.id, i)
		if free[uint32(i)] {
			empty := j.runner == nil && j.service == nil && j.worker == nil && j.ref == nil && j.headers == nil && j.payload == nil
			unlinked := j.queue == link{} && j.peers == link{} && j.onWorker == link{} && j.timer.index == -1
			ck.that(j.state == jobFree && empty && unlinked, "slab: free job %x holds something", j.id)
			ck.that(ck.home[j] == "" && !ck.awaited[j], "slab: free job %x is in %s", j.id, ck.home[j])
			continue
		}
		ck.that(ck.home[j] != "", "job %x is nowhere", j.id)
		ck.that(s.find(j.id) == j, "job %x is not found", j.id)
		waits := j.state != jobAbandoned
		ck.that(ck.awaited[j] == waits && (j.runner != nil) == waits, "job %x in state %d: awaited is %v", j.id, j.state, ck.awaited[j])
		ck.that(waits || j.headers == nil && j.payload == nil && j.ref == nil, "job %x keeps what nobody waits for", j.id)
	}
	ck.that(s.live == len(ck.home), "slab: live is %d, not %d", s.live, len(ck.home))
	ck.that(s.live+len(s.free) == len(s.jobs), "slab: %d live, %d free of %d", s.live, len(s.free), len(s.jobs))
}

func (ck *checker) timers() {
	h := ck.c.timers
	for i, t := range h {
		ck.that(t.index == i, "timers: index %d at %d", t.index, i)
		ck.that(i == 0 || h[(i-1)/2].at <= t.at, "timers: not a heap at %d", i)
		ck.that(ck.armed[t], "timers: one of kind %d should not be armed", t.kind)
	}
	ck.that(len(h) == len(ck.armed), "timers: %d of %d are armed", len(h), len(ck.armed))
	ck.that(len(h) == 0 || ck.c.NextDeadline() == h[0].at, "timers: wrong next deadline")
}

// conservation: no job waits while a worker that could run it at once is there.
func (ck *checker) conservation() {
	for _, s := range ck.c.backlog {
		for _, k := range s.classes {
			for _, w := range k.heap {
				ck.that(w.jobs.n >= w.capacity, "a job of %q waits, worker %d has room", s.name, w.id)
			}
		}
	}
}
