// SPDX-License-Identifier: Apache-2.0

package session

import (
	"time"

	"github.com/powerhose/powerhose/protocol"
)

// The time left that a master is told is a little shorter than its caller's, so
// that the master's verdict, which knows more, is there before the caller's
// deadline: by a 32nd, within MinMargin and MaxMargin, and where that leaves the
// job three quarters of its time not less than usualMargin. A master's timers
// fire up to 1 ms late, since zmq_poll counts in milliseconds, and the verdict
// has a way to go.
const (
	MinMargin = 200 * time.Microsecond
	MaxMargin = 50 * time.Millisecond

	marginPart  = 32
	usualMargin = 2 * time.Millisecond
	usualPart   = 4
)

func margin(left time.Duration) time.Duration {
	usual := max(left/marginPart, min(usualMargin, left/usualPart))
	return min(max(usual, MinMargin), MaxMargin)
}

// RunnerJob is one job of a Runner. Its owner makes it with NewRunnerJob, fills
// in the question, submits it, and reads the answer when RunnerAnswer says so;
// then it may be used again. In between only Runner touches it.
type RunnerJob struct {
	// The question.

	// Size is how many octets the job holds: service, headers and payload.
	Size int64
	// PayloadSize is how many of them are the payload.
	PayloadSize int64
	// Deadline is the moment when the caller must have an answer.
	Deadline time.Duration
	// Wait is how long it may wait for a worker, and before that for a master:
	// negative until the deadline, 0 not at all.
	Wait time.Duration
	// Retries is how many more times it may be started after it may have run.
	// The Runner takes one off for each master lost.
	Retries uint8
	// Ref is the owner's.
	Ref any

	// The answer.

	Outcome protocol.Outcome // without meaning if MasterLost
	// MayHaveRun is false only if no worker can have started the job.
	MayHaveRun bool
	// MasterLost: the connection to the master broke while it had the job
	// (MayHaveRun is true), or there was no master to send it to (MayHaveRun is
	// false).
	MasterLost bool
	RetryAfter time.Duration
	Payload    []byte // as it came with RunnerResult

	// The Runner's.

	id      uint64 // on the wire; fresh each time that Next gives it out
	state   runnerJobState
	ran     bool  // an earlier master may have started it
	moved   bool  // a draining master gave it back
	slot    int32 // in Runner.slots, while it is not answered
	master  int32 // while sent or cancelling
	timer   int32 // place in Runner.timers, -1 if none
	startBy time.Duration

	list       *runnerList // which it is in, nil if none
	prev, next *RunnerJob
}

type runnerJobState uint8

const (
	runnerJobIdle       runnerJobState = iota // not submitted, or answered
	runnerJobWaiting                          // not sent; in Runner.fresh or Runner.again
	runnerJobSent                             // with a master; in its list
	runnerJobCancelling                       // the same, and its caller gave up
)

// NewRunnerJob returns a job to be filled in.
func NewRunnerJob() *RunnerJob { return &RunnerJob{timer: -1} }

// ID is the job's id on the wire, valid after Next gave it out.
func (j *RunnerJob) ID() uint64 { return j.id }

// TimeLeft is what the master is to be told: the time until the deadline less
// the margin.
func (j *RunnerJob) TimeLeft(now time.Duration) time.Duration {
	left := j.Deadline - now
	return max(left-margin(left), 0)
}

// WaitLeft is how long the job may wait at the master: protocol.WaitForever
// means until its deadline.
func (j *RunnerJob) WaitLeft(now time.Duration) time.Duration {
	if j.startBy >= j.Deadline {
		return protocol.WaitForever
	}
	return max(j.startBy-now, 0)
}

// sendBy is until when it is worth waiting for a master that takes the job.
func (j *RunnerJob) sendBy() time.Duration { return min(j.startBy, j.Deadline-MinMargin) }

// runnerList is a doubly linked list of jobs. A job is in one list at most.
type runnerList struct {
	first, last *RunnerJob
	n           int
	bytes       int64
}

func (l *runnerList) push(j *RunnerJob) {
	j.list, j.prev, j.next = l, l.last, nil
	if l.last == nil {
		l.first = j
	} else {
		l.last.next = j
	}
	l.last = j
	l.n++
	l.bytes += j.Size
}

func (l *runnerList) pushFront(j *RunnerJob) {
	j.list, j.prev, j.next = l, nil, l.first
	if l.first == nil {
		l.last = j
	} else {
		l.first.prev = j
	}
	l.first = j
	l.n++
	l.bytes += j.Size
}

func (l *runnerList) remove(j *RunnerJob) {
	if j.prev == nil {
		l.first = j.next
	} else {
		j.prev.next = j.next
	}
	if j.next == nil {
		l.last = j.prev
	} else {
		j.next.prev = j.prev
	}
	j.list, j.prev, j.next = nil, nil, nil
	l.n--
	l.bytes -= j.Size
}

// A job's id is how many were given out before and its place in the slots, so
// that finding the job of an answer needs no hash table, and an id of a job
// that was answered finds nothing.
const (
	slotBits = 24
	maxSlots = 1 << slotBits
)

// runnerSlots finds jobs by their ids.
type runnerSlots struct {
	jobs  []*RunnerJob // nil where free
	free  []int32
	count uint64 // ids given out
}

// take gives the job a place, if there is one.
func (s *runnerSlots) take(j *RunnerJob) bool {
	if n := len(s.free); n > 0 {
		j.slot = s.free[n-1]
		s.free = s.free[:n-1]
		s.jobs[j.slot] = j
		return true
	}
	if len(s.jobs) == maxSlots {
		return false
	}
	j.slot = int32(len(s.jobs))
	s.jobs = append(s.jobs, j)
	return true
}

func (s *runnerSlots) giveBack(j *RunnerJob) {
	s.jobs[j.slot] = nil
	s.free = append(s.free, j.slot)
	j.id = 0
}

// name gives the job a fresh id.
func (s *runnerSlots) name(j *RunnerJob) {
	s.count++
	j.id = s.count<<slotBits | uint64(j.slot)
}

// find returns the job of that id, nil if it has another one by now. A job that
// was not given out yet has the id 0.
func (s *runnerSlots) find(id uint64) *RunnerJob {
	slot := id & (maxSlots - 1)
	if slot >= uint64(len(s.jobs)) {
		return nil
	}
	if j := s.jobs[slot]; j != nil && j.id == id {
		return j
	}
	return nil
}
