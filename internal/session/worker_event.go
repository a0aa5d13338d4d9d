// SPDX-License-Identifier: Apache-2.0

package session

import (
	"time"

	"github.com/powerhose/powerhose/protocol"
)

// WorkerEventKind says what happened.
type WorkerEventKind uint8

// The events of a Worker. Each comment names the fields of WorkerEvent that it
// uses.
const (
	// WorkerTick lets everything that is due happen.
	WorkerTick WorkerEventKind = iota
	// WorkerReceived: a message arrived. Frames, Peer.
	WorkerReceived
	// WorkerDone: the handler of a started job has returned. Slot. Only once for
	// each WorkerStart.
	WorkerDone
	// WorkerFenced: the job of a WorkerStart could not be claimed in the start
	// ledger and was not started. Slot. Instead of WorkerDone.
	WorkerFenced
	// WorkerUnsent: a message of the registration connection could not be sent
	// because there is no connection.
	WorkerUnsent
	// WorkerDrain: finish what is there and leave.
	WorkerDrain
)

// WorkerEvent is one thing that happened. Which fields matter depends on Kind.
// Step keeps the frames' octets, but not the slice of frames.
type WorkerEvent struct {
	Kind WorkerEventKind
	Slot int
	// Frames of a message as a DEALER sees it, at least one.
	Frames [][]byte
	// Peer is the connection of the worker's own socket on which the message
	// came, in listen mode; "" for the registration connection.
	Peer string
}

// WorkerActionKind says what the owner must do.
type WorkerActionKind uint8

// The actions of a Worker. Each comment names the fields of WorkerAction that it
// uses.
const (
	// WorkerRegister: send REGISTER, with a new start ledger if there is to be
	// one, or report WorkerUnsent.
	WorkerRegister WorkerActionKind = iota + 1
	// WorkerUp: the master accepted the registration. Welcome.
	WorkerUp
	// WorkerDown: the registration is lost; results that were not sent yet are
	// worth nothing. Reason.
	WorkerDown
	// WorkerReconnect: disconnect, and connect again. Reason.
	WorkerReconnect
	// WorkerSend: send PING, PONG, DRAIN or BYE on the connection Peer, or report
	// WorkerUnsent. Command, Peer.
	WorkerSend
	// WorkerReturn: send RETURN as WorkerSend. Ref, Peer.
	WorkerReturn
	// WorkerStart: claim the job in the start ledger as number Job.Number, then
	// start its handler; or report WorkerFenced. Slot, Job.
	WorkerStart
	// WorkerCancel: nobody waits for the job any more: tell its handler, if it
	// was started at all. Slot, Reason.
	WorkerCancel
	// WorkerResult: the answer to WorkerDone: send the job's RESULT. Without it
	// the result is to be dropped. Slot, Ref, Peer.
	WorkerResult
	// WorkerDropped: a message was dropped and is to be counted; or the master
	// complained about one of ours. For the log. Text.
	WorkerDropped
	// WorkerEnd: the session is over. Reason; Text, if the master had one. The
	// last action ever.
	WorkerEnd
)

// WorkerAction is one thing that the owner must do, in the order given.
type WorkerAction struct {
	Kind    WorkerActionKind
	Reason  WorkerReason
	Command protocol.Command
	Slot    int
	Ref     protocol.JobRef
	Peer    string
	Text    string
	// Job is the session's own, to be read until WorkerDone or WorkerFenced of
	// its slot.
	Job     *WorkerJob
	Welcome *protocol.Welcome // the session's own: not to be changed
}

// WorkerJob is a job as the master sent it.
type WorkerJob struct {
	protocol.WorkerJob
	Payload []byte
	// Deadline is the moment at which TimeLeft is over.
	Deadline time.Duration
	// Number counts the JOBs since REGISTER, this one included.
	Number uint64
	// Peer is where it came from and its answer goes, as WorkerEvent.Peer.
	Peer string
}

// WorkerReason says why something ended.
type WorkerReason uint8

// The reasons in WorkerDown, WorkerReconnect, WorkerCancel and WorkerEnd.
const (
	// WorkerSilent: the master missed its heartbeats.
	WorkerSilent WorkerReason = iota + 1
	// WorkerDisconnected: the connection broke, as a message that could not be
	// sent or the probe of a new connection tells.
	WorkerDisconnected
	// WorkerEvicted: the master does not know us any more, as its ERROR or a
	// closed start ledger tells.
	WorkerEvicted
	// WorkerUnanswered: no probe or no WELCOME within protocol.HandshakeTimeout.
	WorkerUnanswered
	// WorkerCancelled: the caller gave up, or its time is over.
	WorkerCancelled

	// WorkerDrained: what was there is finished. The good end.
	WorkerDrained
	// WorkerDrainTimeout: handlers did not return in time while draining.
	WorkerDrainTimeout
	// WorkerMasterGone: nothing came from a master for as long as patience lasts.
	WorkerMasterGone
	// WorkerWedged: handlers of a lost registration do not return, so there can
	// be no new one.
	WorkerWedged
	// WorkerRefused: the master does not want us.
	WorkerRefused
)

var workerReasons = [...]string{
	WorkerSilent: "silent", WorkerDisconnected: "disconnected", WorkerEvicted: "evicted",
	WorkerUnanswered: "no answer", WorkerCancelled: "cancelled", WorkerDrained: "drained",
	WorkerDrainTimeout: "drain timeout", WorkerMasterGone: "master gone", WorkerWedged: "wedged",
	WorkerRefused: "refused",
}

// String returns the reason in words for a log.
func (r WorkerReason) String() string {
	if int(r) < len(workerReasons) && workerReasons[r] != "" {
		return workerReasons[r]
	}
	return "unknown reason"
}
