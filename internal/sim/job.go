// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/powerhose/powerhose/protocol"
)

// job is what a caller wants done, and everything that became of it. It is the
// only judge of the promises that are made about a job: it hears of every start
// of its handler, wherever that is, and of every answer to its caller.
type job struct {
	n        uint64
	caller   *caller
	service  string
	size     int
	deadline time.Duration // on the caller's clock
	wait     time.Duration // as in protocol.RunnerJob
	retries  uint8

	run      time.Duration // how long the handler takes
	fails    bool          // it returns an error
	stubborn bool          // it does not care whether it is cancelled

	sent      bool          // to a master
	cancelled time.Duration // when its caller gave up; 0 if it did not
	started   int           // times that the handler was called
	ended     uint64        // which of them ended: a bit each
	answered  bool
	never     bool // the caller was told that it has not run and never will
}

// outcomes are those of the protocol and one more.
const (
	outcomeMasterLost = int(protocol.OutcomeClosed) + 1
	outcomes          = outcomeMasterLost + 1
)

func outcomeName(o int) string {
	if o == outcomeMasterLost {
		return "master lost"
	}
	return protocol.Outcome(o).String()
}

func (j *job) String() string {
	return fmt.Sprintf("job %d (service %q, %d retries)", j.n, j.service, j.retries)
}

// payload is what the handler gets: who it is, and something.
func (w *world) payload(j *job) []byte {
	if len(w.arena) < j.size {
		w.arena = make([]byte, max(64<<10, j.size))
	}
	b := w.arena[:j.size:j.size]
	w.arena = w.arena[j.size:]
	binary.BigEndian.PutUint64(b, j.n)
	return b
}

func (w *world) jobOf(payload []byte) *job {
	if len(payload) < 8 {
		w.fail(nil, "a payload was cut to %d octets", len(payload))
	}
	n := binary.BigEndian.Uint64(payload)
	if n >= uint64(len(w.jobs)) || w.jobs[n].size != len(payload) {
		w.fail(nil, "a payload was changed: it is that of job %d, and has %d octets", n, len(payload))
	}
	return w.jobs[n]
}

// submission is a job on its way to one master. The job carries its number in a
// header, which everybody hands on untouched.
type submission struct {
	n        uint64
	job      *job
	retries  uint8
	told     time.Duration // the time left that the master is told
	started  int           // times that workers of this master called the handler
	claimed  bool          // a worker was about to start it, or to give it back
	deadline time.Duration // on the master's clock
	wait     time.Duration // that the master is told
	waitBy   time.Duration // until when it may wait, on the master's clock
	first    bool          // the job is on its way for the first time
	startBy  time.Duration // on the clock of startOn
	startOn  *worker       // that got it last; others were given up

	// The rest is the observer's of the master.
	tag     uint64
	left    time.Duration // until the deadline, when it was received
	from    *conn         // nil if it was submitted in the master's process
	order   uint64        // of its arrival, from 1; 0 until it arrives
	taken   uint64        // the round in which it arrived
	waits   uint64        // the round since which it waits, if on is nil or gone
	over    uint64        // the round in which nobody waited for it any more, or 0
	on      *registration // the last that got it
	ref     protocol.JobRef
	returns int
	late    bool // its result came after its deadline
	blind   bool // it was with a worker without a ledger
}

const submissionHeader = "s"

func (w *world) submit(j *job, retries uint8) *submission {
	s := &submission{n: uint64(len(w.submissions)), job: j, retries: retries, first: !j.sent, deadline: never, waitBy: never}
	j.sent = true
	w.submissions = append(w.submissions, s)
	return s
}

// headers are those of a submission.
func (w *world) headers(s *submission) protocol.Headers {
	b := append(w.scratch[:0], byte(len(submissionHeader)), submissionHeader[0], 0, 8)
	w.scratch = binary.BigEndian.AppendUint64(b, s.n)
	return protocol.Headers(w.scratch)
}

func (w *world) submissionOf(headers []byte) *submission {
	if len(headers) != 12 || headers[1] != submissionHeader[0] {
		w.fail(nil, "headers were changed: %x", headers)
	}
	n := binary.BigEndian.Uint64(headers[4:])
	if n >= uint64(len(w.submissions)) {
		w.fail(nil, "headers were changed: %x", headers)
	}
	return w.submissions[n]
}

// begin: a worker calls the handler. It returns which call it is.
func (w *world) begin(s *submission, who string) int {
	j := s.job
	j.started++
	s.started++
	if w.saw(SightRan); j.started > 1 {
		w.saw(SightRanAgain)
	}
	if w.trace != nil {
		w.note(j, who, "the handler is called, time %d", j.started)
	}
	switch {
	case j.never:
		w.fail(j, "it runs, although its caller was told that it never will")
	case j.retries == 0 && j.started > 1:
		w.fail(j, "it runs a second time, although that is not allowed")
	case s.started > min(int(s.retries)+1, 2):
		w.fail(j, "it runs %d times for one master, with %d retries", s.started, s.retries)
	case j.started > 60:
		w.fail(j, "it runs %d times", j.started)
	}
	return j.started
}

// end: the handler has returned.
func (w *world) end(j *job, call int, who string) {
	j.ended |= 1 << call
	if w.trace != nil {
		w.note(j, who, "the handler returns, time %d", call)
	}
}

// result is what the handler returns, as a result or as the text of an error.
func (w *world) result(j *job, call int) []byte {
	var b [9]byte
	binary.BigEndian.PutUint64(b[:], j.n)
	b[8] = byte(call)
	return w.bytes(hex.AppendEncode(nil, b[:]))
}

// answer is what a caller is told.
type answer struct {
	outcome    int
	mayHaveRun bool
	payload    []byte
}

// answer: the caller hears how its job ended.
func (w *world) answer(j *job, a answer) {
	if w.trace != nil {
		w.note(j, j.caller.place.name(), "answer: %s, may have run: %v", outcomeName(a.outcome), a.mayHaveRun)
	}
	w.sum([]byte{byte(a.outcome), byte(j.n)})
	w.stats.Outcomes[a.outcome]++
	switch {
	case j.answered:
		w.fail(j, "its caller gets a second answer: %s", outcomeName(a.outcome))
	case !a.mayHaveRun && j.started > 0:
		w.fail(j, "its caller is told that it did not run (%s), but it did", outcomeName(a.outcome))
	}
	j.answered, j.never = true, !a.mayHaveRun
	switch a.outcome {
	case int(protocol.OutcomeOK), int(protocol.OutcomeJobError):
		w.checkResult(j, a)
	case int(protocol.OutcomeTimedOutRunning), int(protocol.OutcomeWorkerLost):
		if !a.mayHaveRun {
			w.fail(j, "%s, and yet it has not run", outcomeName(a.outcome))
		}
	case int(protocol.OutcomeRefused), int(protocol.OutcomeTooLarge):
		w.fail(j, "%s, although nothing is wrong with it", outcomeName(a.outcome))
	case int(protocol.OutcomeNoWorker), int(protocol.OutcomeBusy), int(protocol.OutcomeTimedOutWaiting):
		if a.mayHaveRun && j.retries == 0 {
			w.fail(j, "%s, and yet it may have run", outcomeName(a.outcome))
		}
	case int(protocol.OutcomeCancelled):
		if j.cancelled == 0 {
			w.fail(j, "cancelled, although its caller did not ask for that")
		}
	}
	w.script.forbid(w, j, a)
}

// checkResult: a result is the caller's own, of a handler that has ended.
func (w *world) checkResult(j *job, a answer) {
	var b [9]byte
	if n, err := hex.Decode(b[:], a.payload); err != nil || n != len(b) {
		w.fail(j, "the result was changed: %q", a.payload)
	}
	n, call := binary.BigEndian.Uint64(b[:]), b[8]
	switch {
	case n != j.n:
		w.fail(j, "its caller gets the result of job %d", n)
	case j.ended>>call&1 == 0:
		w.fail(j, "its caller gets the result of call %d, which has not ended", call)
	case j.fails != (a.outcome == int(protocol.OutcomeJobError)):
		w.fail(j, "its caller gets %s", outcomeName(a.outcome))
	case !a.mayHaveRun:
		w.fail(j, "its caller gets a result of a job that has not run")
	}
}
