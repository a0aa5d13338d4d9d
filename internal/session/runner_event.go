// SPDX-License-Identifier: Apache-2.0

package session

import (
	"time"

	"github.com/powerhose/powerhose/protocol"
)

// RunnerEventKind says what happened.
type RunnerEventKind uint8

// The events of a Runner. Each comment names the fields of RunnerEvent that it
// uses. Events that carry a Master come from the socket of that master.
const (
	// RunnerTick lets everything that is due happen.
	RunnerTick RunnerEventKind = iota
	// RunnerSubmit: a caller wants a job done. Job, whose question is filled in.
	RunnerSubmit
	// RunnerCancel: a caller gave up on a job. Job. Nothing happens if the job
	// has its answer already.
	RunnerCancel
	// RunnerReject: a job that Next gave out cannot be put into a message at
	// all. Job, Outcome.
	RunnerReject
	// RunnerUnsent: the socket takes nothing now. Master, and in Jobs, in their
	// order, the jobs that Next gave out and that were not sent because of it.
	RunnerUnsent
	// RunnerWritable: the socket may take something again. Master.
	RunnerWritable
	// RunnerBroken: the socket cannot be used any more; the owner has replaced
	// it by a new one, which is not connected. Master.
	RunnerBroken

	// RunnerProbe: a new connection to a master began. Master.
	RunnerProbe
	// RunnerWelcome: the master answered REGISTER. Master, Welcome.
	RunnerWelcome
	// RunnerError: the master sent an ERROR. Master, Err.
	RunnerError
	// RunnerPing: the master wants a PONG. Master.
	RunnerPing
	// RunnerHeard: any other sign of life. Master.
	RunnerHeard
	// RunnerDrain: the master takes nothing new. Master.
	RunnerDrain
	// RunnerResult: the master says how a job ended. Master, ID, Outcome,
	// MayHaveRun, RetryAfter, Payload.
	RunnerResult
	// RunnerGone: the process of the master has ended. Master, Registration (as
	// in RunnerUp), so that the end of an earlier one does no harm.
	RunnerGone

	// RunnerClose answers all jobs, says BYE, and refuses what comes later.
	RunnerClose
)

// RunnerEvent is one thing that happened. Which fields matter depends on Kind;
// the others are ignored. Step keeps no reference to it.
type RunnerEvent struct {
	Kind         RunnerEventKind
	Outcome      protocol.Outcome
	MayHaveRun   bool
	Master       int // index in the order of preference
	ID           uint64
	Registration uint64
	RetryAfter   time.Duration
	Payload      []byte
	Job          *RunnerJob
	Jobs         []*RunnerJob
	Welcome      *protocol.Welcome
	Err          protocol.PeerError
}

// RunnerActionKind says what the owner must do.
type RunnerActionKind uint8

// The actions of a Runner. Each comment names the fields of RunnerAction that
// it uses.
const (
	// RunnerAnswer: tell the caller. Job, whose answer is filled in. The job is
	// free to be submitted again.
	RunnerAnswer RunnerActionKind = iota + 1
	// RunnerConnect: connect the socket of the master. Master.
	RunnerConnect
	// RunnerDisconnect: disconnect it. Master.
	RunnerDisconnect
	// RunnerSendRegister, RunnerSendPing, RunnerSendPong and RunnerSendBye: send
	// that message, or report RunnerUnsent. Master.
	RunnerSendRegister
	RunnerSendPing
	RunnerSendPong
	RunnerSendBye
	// RunnerSendCancel: send CANCEL, or report RunnerUnsent. Master, ID.
	RunnerSendCancel
	// RunnerUp: the master takes jobs now. Master, Registration, Welcome.
	RunnerUp
	// RunnerDown: the master takes no jobs any more. Master, Reason, Err. Comes
	// also for a master that never was up, once until it is up again.
	RunnerDown
)

// RunnerAction is one thing that the owner must do, in the order given.
type RunnerAction struct {
	Kind         RunnerActionKind
	Reason       RunnerReason
	Master       int
	ID           uint64
	Registration uint64
	Job          *RunnerJob
	Welcome      *protocol.Welcome  // the Runner's own: not to be changed
	Err          protocol.PeerError // set with RunnerRefused
}

// RunnerReason says why a master is down.
type RunnerReason uint8

// The reasons of RunnerDown.
const (
	// RunnerSilent: the master missed its heartbeats.
	RunnerSilent RunnerReason = iota + 1
	// RunnerProcessGone: its process ended.
	RunnerProcessGone
	// RunnerDisconnected: the connection broke, as a message that could not be
	// sent or a new connection tells.
	RunnerDisconnected
	// RunnerForgotten: the master does not know us any more.
	RunnerForgotten
	// RunnerRefused: the master does not want us; RunnerAction.Err says why.
	RunnerRefused
	// RunnerUnanswered: no WELCOME within protocol.HandshakeTimeout. Nobody
	// listens there, or not a master.
	RunnerUnanswered
	// RunnerDraining: the master takes nothing new.
	RunnerDraining
	// RunnerSocketBroken: our own socket could not be used any more.
	RunnerSocketBroken
)

var runnerReasons = [...]string{
	RunnerSilent: "silent", RunnerProcessGone: "process gone", RunnerDisconnected: "disconnected",
	RunnerForgotten: "forgotten by the master", RunnerRefused: "refused", RunnerUnanswered: "no answer",
	RunnerDraining: "draining", RunnerSocketBroken: "socket broken",
}

// String returns the reason in words for a log.
func (r RunnerReason) String() string {
	if int(r) < len(runnerReasons) && runnerReasons[r] != "" {
		return runnerReasons[r]
	}
	return "unknown reason"
}
