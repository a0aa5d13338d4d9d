// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"strings"
)

// Sight is something that is to happen in the simulation now and then, on
// purpose or not: what never happens is not tested.
type Sight uint8

// The sights.
const (
	// SightMessage: a message arrived.
	SightMessage Sight = iota
	// SightOvertaken: one was read before one that had arrived earlier over
	// another connection.
	SightOvertaken
	// SightLost: one was lost with its connection.
	SightLost
	// SightRepeated: one arrived a second time, over the next connection.
	SightRepeated
	// SightFull: one could not be sent, because the queue was full.
	SightFull
	// SightReconnected: a socket connected again.
	SightReconnected
	// SightTwice: it did so while its peer still had the connection before.
	SightTwice
	// SightSilent: libzmq's heartbeats ended a connection.
	SightSilent
	// SightRestarted: a process started again.
	SightRestarted
	// SightSkewed: one started whose clock is wrong by more than a thousandth.
	SightSkewed
	// SightRegistered: a worker was welcomed.
	SightRegistered
	// SightOwnSocket: the same, with a socket of its own.
	SightOwnSocket
	// SightLedger: the same, with a start ledger.
	SightLedger
	// SightBadLedger: a worker has a start ledger that cannot be read.
	SightBadLedger
	// SightFenced: a worker was about to start a job, and its ledger was closed.
	SightFenced
	// SightMoved: a runner's first master changed.
	SightMoved
	// SightRan: a handler was called.
	SightRan
	// SightRanAgain: a handler was called once more for a job that allows it.
	SightRanAgain
	// SightRedispatched: a job that was with a lost worker and had not started was
	// given to another.
	SightRedispatched
	// SightRetried: the same with one that may have started.
	SightRetried
	// SightReturned: a worker gave a job back.
	SightReturned
	// SightEvicted: a worker was evicted, being silent or hung.
	SightEvicted
	// SightLate: an answer of a worker came too late.
	SightLate

	sights
)

var sightNames = [sights]string{
	"messages", "overtaken", "lost with a connection", "repeated", "full queues", "reconnects", "twice connected",
	"ended by libzmq's heartbeats", "restarts", "wrong clocks", "registrations of workers", "with a socket of their own",
	"with a ledger", "ledgers that cannot be read", "fenced starts", "changes of master", "handler calls", "repeated calls",
	"re-dispatches", "retries", "returns", "evictions", "late answers",
}

func (s Sight) String() string { return sightNames[s] }

func (w *world) saw(s Sight) { w.stats.Sights[s]++ }

func (w *world) sawMany(s Sight, n uint64) { w.stats.Sights[s] += n }

// Never is what did not happen at all.
func (s *Stats) Never() (missing []string) {
	for k, n := range s.Faults {
		if n == 0 {
			missing = append(missing, FaultKind(k).String())
		}
	}
	for k, n := range s.Sights {
		if n == 0 {
			missing = append(missing, Sight(k).String())
		}
	}
	return missing
}

// OutcomeList tells how many jobs ended how.
func (s *Stats) OutcomeList() string { return enumerate(s.Outcomes[:], outcomeName) }

// FaultList tells how many faults there were of each kind.
func (s *Stats) FaultList() string {
	return enumerate(s.Faults[:], func(k int) string { return FaultKind(k).String() })
}

// SightList tells how often what happened.
func (s *Stats) SightList() string {
	return enumerate(s.Sights[:], func(k int) string { return Sight(k).String() })
}

func enumerate(counts []uint64, name func(int) string) string {
	var parts []string
	for k, n := range counts {
		parts = append(parts, fmt.Sprintf("%s %d", name(k), n))
	}
	return strings.Join(parts, ", ")
}
