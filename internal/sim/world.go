// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"hash/crc32"
	"time"
)

// world is one run: the time, everything that is there, and everything that will
// happen.
type world struct {
	script *Script
	now    time.Duration
	queue  queue
	net    network
	files  map[string]*ledgerFile // start ledgers by path
	jobs   []*job                 // by number
	// submissions are the jobs as they were sent to masters, by number.
	submissions []*submission
	places      []*place // where processes run, one after the other
	pids        int
	trace       *tracer // nil if nobody wants one

	closing  bool // no new work
	sabotage bool
	stats    Stats
	digest   uint32
	arena    []byte
	scratch  []byte
}

// Stats say what a run did.
type Stats struct {
	Seeds  uint64
	Events uint64
	Jobs   uint64
	// Outcomes counts the answered jobs by what their callers were told.
	Outcomes [outcomes]uint64
	// Faults counts what went wrong on purpose, by kind.
	Faults [faultKinds]uint64
	// Sights counts what happened, by kind.
	Sights [sights]uint64
	// Time is how long the simulated systems lived.
	Time time.Duration
}

// Add adds what another run did.
func (s *Stats) Add(t *Stats) {
	s.Seeds += t.Seeds
	s.Events += t.Events
	s.Jobs += t.Jobs
	s.Time += t.Time
	for i := range s.Outcomes {
		s.Outcomes[i] += t.Outcomes[i]
	}
	for i := range s.Faults {
		s.Faults[i] += t.Faults[i]
	}
	for i := range s.Sights {
		s.Sights[i] += t.Sights[i]
	}
}

// Faulted is how many faults there were.
func (s *Stats) Faulted() (n uint64) {
	for _, c := range s.Faults {
		n += c
	}
	return n
}

func (w *world) at(t time.Duration, to actor, what uint32) { w.queue.push(max(t, w.now), to, what) }

// after has something happen d from now.
func (w *world) after(d time.Duration, to actor, what uint32) { w.queue.push(w.now+d, to, what) }

// mostEvents is more than any script takes.
const mostEvents = 20_000_000

// runUntil lets happen what happens until then, or until there is nothing left.
func (w *world) runUntil(end time.Duration) {
	for len(w.queue.heap) > 0 && w.queue.heap[0].at <= end {
		e := w.queue.pop()
		w.now = e.at
		if w.stats.Events++; w.stats.Events > mostEvents {
			w.fail(nil, "there is no end of events")
		}
		e.to.happen(e.what)
	}
	w.now = max(w.now, end)
}

// ignored takes back the count of an event that was about nothing any more.
func (w *world) ignored() { w.stats.Events-- }

// bytes copies what is sent. It is never changed afterwards.
func (w *world) bytes(b []byte) []byte {
	n := len(b)
	if len(w.arena) < n {
		w.arena = make([]byte, max(64<<10, n))
	}
	c := w.arena[:n:n]
	w.arena = w.arena[n:]
	copy(c, b)
	return c
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum takes octets into what two runs of one seed must have in common.
func (w *world) sum(b []byte) { w.digest = crc32.Update(w.digest, castagnoli, b) }

// broken is a promise that was not kept: it ends the run.
type broken struct {
	job  *job // that it is about, or nil
	text string
}

// fail ends the run.
func (w *world) fail(j *job, format string, args ...any) {
	panic(&broken{j, fmt.Sprintf(format, args...)})
}
