// SPDX-License-Identifier: Apache-2.0

// Package session decides what the two kinds of a master's peers do and when: a
// Worker and a Runner are pure state machines around one conversation, without
// sockets, clock and goroutines, so that a simulation can run them. Packages
// worker and jobrunner carry out what they decide.
package session

import (
	"math"
	"time"

	"github.com/powerhose/powerhose/protocol"
)

// Worker is a worker's side of its conversation with a master: when to register,
// ping, reconnect and give up, which job to start next, and whose result may
// still be sent. It is a pure state machine without sockets, clock, handlers and
// goroutines. What happened goes in as events together with the time, what is to
// be done comes out as actions:
//
//	out = w.Step(now, &event, out[:0])
//	for _, a := range out { perform(a) }
//	wait until w.NextDeadline(), then Step a WorkerTick
//
// Moments are durations since a moment of the owner's choice, on a clock that
// never goes back. A Worker belongs to one owner, who connects before the first
// step, performs all actions in order, and may step while it does: what comes
// out then is performed last.
//
//	               probe, nothing runs              WELCOME
//	connecting ─────────────────────► registering ──────────► registered
//	 ▲ ▲ │                              ▲                      │    │
//	 │ │ │ probe, but jobs of an        │ the last             │    │ ERROR unregistered, probe
//	 │ │ ▼ earlier registration run     │ of them ended        │    ▼
//	 │ └evicted ────────────────────────┘                      │  registering or evicted
//	 │   └─► patience is over: wedged                          │
//	 └───── silent, disconnected, no answer, BYE ──────────────┘
//
// Whenever a registration is lost, what waits is forgotten and what runs is
// cancelled: the master will not take its result. A new registration
// begins only when the last job of the earlier one has ended, so that the
// worker never runs more than its capacity. These are the states of
// docs/protocol.md, section 15; "finishing" is connecting and evicted while a
// job runs, and draining is a flag beside the state.
//
// Time during which nobody called Step, because the process was stopped or the
// machine was overloaded, does not count as anybody's silence.
type Worker struct {
	cfg   WorkerConfig
	state workerState

	last time.Duration // the latest step
	// heard is when the master last sent something, since is when connecting,
	// registering or evicted began, ping is when the next PING is due while
	// registered, stuck is since when only our own jobs keep us from registering
	// (-1 if they do not).
	heard, since, ping, stuck time.Duration
	// welcome is the latest one; the zero value before the first.
	welcome protocol.Welcome
	// fence is set while registered when the ledger was found closed: the master
	// has ended the registration, and its ERROR is yet to come.
	fence bool

	draining bool
	told     bool          // DRAIN was sent in this registration
	cut      time.Duration // end of the drain, valid while draining

	services map[string]struct{}

	jobs workerJobs

	now time.Duration  // of the step in progress
	out []WorkerAction // of the step in progress
}

// WorkerConfig of a new Worker. Every field is required.
type WorkerConfig struct {
	// Services that the worker offers; a job of another one is given back.
	Services []string
	// Capacity is how many jobs run at once, at least 1. Prefetch is how many
	// may wait beyond that; the master gets back what is more.
	Capacity, Prefetch int
	// Listen: jobs come over the worker's own socket, and only there. The owner
	// makes a new socket for each REGISTER, and reads it only from WorkerUp on,
	// as jobs may overtake the WELCOME.
	Listen bool
	// Patience is how long a master may say nothing. DrainTimeout is how long
	// draining may take.
	Patience, DrainTimeout time.Duration
}

type workerState uint8

const (
	workerConnecting  workerState = iota // waits for a probe
	workerEvicted                        // connected, waits for jobs of the lost registration to end
	workerRegistering                    // waits for WELCOME
	workerRegistered
	workerEnded
)

const (
	// nap is the longest time between two steps while not registered.
	nap = time.Second
	// minRetry is the least time that a connection is given to come about,
	// however short the heartbeat of the master before was.
	minRetry = time.Second
)

// NewWorker returns a Worker that has just begun to connect.
func NewWorker(now time.Duration, cfg WorkerConfig) *Worker {
	w := &Worker{
		cfg: cfg, last: now, heard: now, since: now, stuck: -1,
		jobs:     newWorkerJobs(cfg.Capacity, cfg.Capacity+cfg.Prefetch),
		services: make(map[string]struct{}, len(cfg.Services)),
	}
	for _, name := range cfg.Services {
		w.services[name] = struct{}{}
	}
	return w
}

// Step tells what happened and appends what is to be done to out.
func (w *Worker) Step(now time.Duration, ev *WorkerEvent, out []WorkerAction) []WorkerAction {
	if w.state == workerEnded {
		return out
	}
	w.now, w.out = max(now, w.last), out
	w.wakeUp()
	switch ev.Kind {
	case WorkerTick:
		w.tick()
	case WorkerReceived:
		w.receive(ev.Frames, ev.Peer)
	case WorkerDone:
		w.done(ev.Slot)
	case WorkerFenced:
		w.fenced(ev.Slot)
	case WorkerUnsent:
		w.unsent()
	case WorkerDrain:
		w.drain()
	}
	out, w.out = w.out, nil
	return out
}

// NextDeadline is when a WorkerTick is due at the latest; ok is false when the
// session has ended.
func (w *Worker) NextDeadline() (at time.Duration, ok bool) {
	switch w.state {
	case workerEnded:
		return 0, false
	case workerRegistered:
		at = min(w.ping, w.heard+w.silence())
	default:
		at = min(w.since+w.retry(), w.last+nap)
		if !w.draining {
			at = min(at, later(w.heard, w.patience()))
		}
		if !w.draining && w.stuck >= 0 {
			at = min(at, later(w.stuck, w.cfg.Patience))
		}
	}
	if w.draining {
		at = min(at, w.cut)
	}
	return at, true
}

// Waiting is how many jobs wait to be started.
func (w *Worker) Waiting() int { return w.jobs.waiting() }

// Running is how many jobs were started and have not ended.
func (w *Worker) Running() int { return w.jobs.running }

// Registered tells whether the master takes results now.
func (w *Worker) Registered() bool { return w.state == workerRegistered }

func (w *Worker) emit(a WorkerAction) { w.out = append(w.out, a) }

func (w *Worker) send(cmd protocol.Command) {
	w.emit(WorkerAction{Kind: WorkerSend, Command: cmd})
}

// wakeUp moves the past forward by the time that was slept through beyond what
// NextDeadline asked for.
func (w *Worker) wakeUp() {
	longest := nap
	if w.state == workerRegistered {
		longest = w.welcome.Heartbeat
	}
	if over := w.now - w.last - longest; over > 0 {
		w.heard += over
		w.since += over
		if w.stuck >= 0 {
			w.stuck += over
		}
	}
	w.last = w.now
}

// silence is how long a registered worker's master may say nothing.
func (w *Worker) silence() time.Duration {
	return w.welcome.Heartbeat * time.Duration(w.welcome.Liveness)
}

// retry is after how long without an answer there is a new connection (R-25,
//
func (w *Worker) retry() time.Duration {
	if w.state == workerRegistering || w.welcome.Heartbeat == 0 {
		return protocol.HandshakeTimeout
	}
	return min(max(w.silence(), minRetry), protocol.HandshakeTimeout)
}

// patience is longer than silence, so that there is time for a reconnect.
func (w *Worker) patience() time.Duration {
	return max(w.cfg.Patience, w.silence()+2*w.welcome.Heartbeat)
}

func (w *Worker) tick() {
	if w.draining && w.now >= w.cut {
		if w.state == workerRegistered {
			w.send(protocol.CommandBye)
		}
		w.end(WorkerDrainTimeout, "")
		return
	}
	switch w.state {
	case workerRegistered:
		if w.now >= w.heard+w.silence() {
			w.lose(WorkerSilent)
			w.reconnect(WorkerSilent)
		} else if w.now >= w.ping {
			w.ping = w.now + w.welcome.Heartbeat
			w.send(protocol.CommandPing)
		}
	case workerConnecting, workerRegistering, workerEvicted:
		w.tickUnregistered()
	case workerEnded:
	}
}

func (w *Worker) tickUnregistered() {
	switch {
	case !w.draining && w.stuck >= 0 && w.now >= later(w.stuck, w.cfg.Patience):
		w.end(WorkerWedged, "")
	case !w.draining && w.now >= later(w.heard, w.patience()):
		w.end(WorkerMasterGone, "")
	case w.now >= w.since+w.retry():
		w.lose(WorkerUnanswered)
		w.reconnect(WorkerUnanswered)
	}
}

// later is t+d without overflow.
func later(t, d time.Duration) time.Duration {
	if d > math.MaxInt64-t {
		return math.MaxInt64
	}
	return t + d
}
