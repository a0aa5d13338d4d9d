// SPDX-License-Identifier: Apache-2.0

package dispatch

import "time"

// ActionKind says what the owner must do.
type ActionKind uint8

// The actions. Each comment names the fields of Action that it uses.
const (
	// ActionAssign: send the job to the worker. Worker, Job, Attempt, Service,
	// Deadline, Headers, Payload.
	ActionAssign ActionKind = iota + 1
	// ActionCancel: tell the worker that nobody waits for the job any more.
	// Worker, Job, Attempt.
	ActionCancel
	// ActionRecall: ask the worker to give the job back if it has not started.
	// Worker, Job, Attempt.
	ActionRecall
	// ActionPing: ask a busy worker for a sign of life; what matters is whether
	// it can be sent at all. Worker.
	ActionPing
	// ActionBye: a draining worker has nothing left and may go. Worker, which
	// is forgotten.
	ActionBye
	// ActionEvict: fence the worker, so that it starts nothing more, and report
	// EventWorkerDown. Kill says that it hangs: end its process where that is
	// possible. Worker, Reason, Kill.
	ActionEvict
	// ActionReply: tell the runner its job's outcome. Runner, Tag, Ref,
	// Outcome, MayHaveRun, RetryAfter, Payload.
	ActionReply
	// ActionDropRunner: a runner was silent for too long and is forgotten.
	// Runner.
	ActionDropRunner
	// ActionDrained: after EventDrain, nothing is left to wait for.
	ActionDrained
)

// Outcome is how a job ended.
type Outcome uint8

// The outcomes of a job; Action.MayHaveRun says the rest.
const (
	OutcomeOK Outcome = iota
	OutcomeJobError
	OutcomeNoWorker
	OutcomeBusy
	OutcomeTimedOutWaiting
	OutcomeTimedOutRunning
	OutcomeWorkerLost
	OutcomeCancelled
	OutcomeRefused
	OutcomeClosed

	outcomes = int(OutcomeClosed) + 1
)

var outcomeNames = [outcomes]string{
	"ok", "job error", "no worker", "busy", "timed out waiting", "timed out running",
	"worker lost", "cancelled", "refused", "closed",
}

func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "unknown outcome"
}

// Reason says why a worker was evicted.
type Reason uint8

// The reasons for an eviction.
const (
	// ReasonSilent: an idle worker missed its heartbeats.
	ReasonSilent Reason = iota + 1
	// ReasonHung: a worker did not finish a job within the grace after its
	// deadline.
	ReasonHung
)

func (r Reason) String() string {
	switch r {
	case ReasonSilent:
		return "silent"
	case ReasonHung:
		return "hung"
	}
	return "unknown reason"
}

// Action is one thing that the owner must do, in the order given. Which fields
// matter depends on Kind, as documented there.
type Action struct {
	Kind    ActionKind
	Outcome Outcome
	Reason  Reason
	// MayHaveRun is false only when the job certainly never started anywhere.
	MayHaveRun bool
	Kill       bool
	Attempt    uint32

	Worker WorkerID
	Runner RunnerID
	Job    JobID
	Tag    uint64

	Deadline Time
	// RetryAfter is when trying again may help; set with OutcomeBusy.
	RetryAfter time.Duration

	Service string
	Headers []byte
	Payload []byte
	Ref     any
}
