// SPDX-License-Identifier: Apache-2.0

// Package hub is the edge of a master: it owns the dispatch core and the
// sockets, turns messages into events and actions into messages, and decides
// nothing itself.
//
// A Hub is driven in one of two ways. Serve runs it in one goroutine that waits
// in ppoll for all sockets: the stand-alone master, which only forwards.
// Embed makes it part of a process in which many goroutines submit jobs: they
// call the core themselves, one at a time (internal/combine), and no goroutine
// stands between a caller and the worker's socket.
//
// Either way, everything in a Hub but its inbox belongs to whoever is in turn,
// and turn is never called concurrently.
package hub

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/powerhose/powerhose/internal/call"
	"github.com/powerhose/powerhose/internal/dispatch"
	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/zmqnet"
)

// perTurn bounds the messages received from one socket before what they caused
// is performed.
const perTurn = 256

// Hub is a master without a driver. Use New, then Serve or Embed, once.
type Hub struct {
	cfg   Config
	log   *slog.Logger
	out   Outside
	start time.Time // zero of out.Now

	core    *dispatch.Core
	now     dispatch.Time // of the turn in progress
	actions []dispatch.Action
	armed   dispatch.Time // when the driver's timer fires, Never if it does not

	front, back *inlet // front is nil in an embedded hub
	msg         zmqnet.Message
	scratch     []byte

	workers      map[string]*worker            // by connection
	byIdentity   map[string]*worker            // by the identity they claim
	byWorkerID   map[dispatch.WorkerID]*worker // those the core knows
	reaching     []*worker                     // own sockets not reached yet, oldest first
	listening    []*worker                     // those with own sockets
	runners      map[string]*runner            // by connection
	byRunnerID   map[dispatch.RunnerID]*runner
	dirty        []*peer // have something in their outbox
	lastWorkerID dispatch.WorkerID
	lastRunnerID dispatch.RunnerID
	names        map[string]string // interned service names

	// unknownWorker and unknownRunner tell whether a connection is new;
	// onBackend and onFrontend handle h.msg. Set once: a method value made for
	// each message would be an allocation for each.
	unknownWorker, unknownRunner func(conn string) bool
	onBackend, onFrontend        func()

	// deaf says that somebody looks at the sockets after this turn, brief that he
	// does whenever a job is answered and no other is left.
	deaf, brief bool

	counters counters
	// complained is when a malformed message was last logged.
	complained dispatch.Time

	// post leaves a task for the next turn. It reports false when there will be
	// none. It is the only member that other goroutines use.
	post func(task) bool
	// watch and unwatch tell the driver about workers' own sockets. unwatch
	// closes the socket too.
	watch   func(*inlet) error
	unwatch func(*inlet)

	unjudged          int // turns since the core is due to judge somebody, see judge
	draining, drained bool
	leaveBy           dispatch.Time // once drained: when it ends although runners are left
	failed            error         // why it cannot go on
	// background is goroutines that close sockets of workers.
	background sync.WaitGroup
}

type counters struct{ malformed, refused, unknown uint64 }

type taskKind uint8

const (
	taskSubmit taskKind = iota // call
	taskCancel                 // tag
	taskDo                     // do
)

// task is something that another goroutine wants done.
type task struct {
	kind taskKind
	call *call.Call
	tag  uint64
	do   func()
	led  bool // of taskSubmit: whoever submits looks at the sockets himself, see Embedded.Lead
}

// localRunner is the runner in this process. Connected ones count from 1.
const localRunner dispatch.RunnerID = 0

// New binds the endpoints. The error of an endpoint that another live master
// holds is a *zmqnet.InUseError.
func New(cfg Config) (*Hub, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	identity, err := newIdentity()
	if err != nil {
		return nil, fmt.Errorf("make an identity: %w", err)
	}
	h := newHub(cfg)
	h.out = Outside{
		Identity: identity, PID: os.Getpid(), Host: hostName(),
		Now:     func() dispatch.Time { return dispatch.Time(time.Since(h.start)) },
		Connect: h.connect, OpenLedger: openLedger, WatchProcess: watchProcess,
	}
	h.start = time.Now()
	back, err := h.bind(&h.cfg.Backend, "backend", h.cfg.Dispatch.Heartbeat)
	if err != nil {
		return nil, err
	}
	h.back = newInlet(back)
	if cfg.Frontend.String() != "" {
		// libzmq 4.3 aborts the process if it is to ping a peer that has gone and
		// left more than the receive queue holds (libzmq issue 4364). A runner may
		// send any number of messages, and is judged by its own PINGs: so there are
		// no pings of libzmq's here. They are for workers too busy to send any.
		front, err := h.bind(&h.cfg.Frontend, "frontend", zmqnet.NoHeartbeat)
		if err != nil {
			_ = back.Close(0)
			return nil, err
		}
		h.front = newInlet(front)
	}
	return h, nil
}

// newHub returns a Hub without sockets and without anything outside.
func newHub(cfg Config) *Hub {
	h := &Hub{
		cfg: cfg, log: cfg.Logger, core: dispatch.New(cfg.Dispatch), armed: dispatch.Never,
		workers: map[string]*worker{}, byIdentity: map[string]*worker{},
		byWorkerID: map[dispatch.WorkerID]*worker{},
		runners:    map[string]*runner{}, byRunnerID: map[dispatch.RunnerID]*runner{},
		names: map[string]string{},
	}
	h.unknownWorker = func(conn string) bool { return h.workers[conn] == nil }
	h.unknownRunner = func(conn string) bool { return h.runners[conn] == nil }
	h.onBackend, h.onFrontend = h.fromBackend, h.fromFrontend
	return h
}

// Frontend and Backend are the endpoints in use, with the ports that tcp chose.
func (h *Hub) Frontend() string { return h.cfg.Frontend.String() }

// Backend is documented at Frontend.
func (h *Hub) Backend() string { return h.cfg.Backend.String() }

// Identity is the identity of this start.
func (h *Hub) Identity() string { return h.out.Identity }

// turn does everything there is to do now, and reports whether it must be
// called again at once.
func (h *Hub) turn(tasks []task) (again bool) {
	h.now = h.clock()
	for i := range tasks {
		h.apply(&tasks[i])
	}
	h.tick()
	h.giveUpReaching()
	h.perform()
	if h.due() { // somebody is to be judged: only now, when everything was heard that is here
		h.inlets(func(in *inlet) { in.look = true })
	}
	if h.deaf && !h.due() {
		return false
	}
	h.receive()
	h.judge()
	h.perform()
	return h.failed == nil && h.unseen() && !h.done()
}

// done reports whether nothing more is to be heard for now.
func (h *Hub) done() bool { return h.brief && h.core.Jobs() == 0 }

// due reports whether the core waits for a moment that has come.
func (h *Hub) due() bool { return h.core.NextDeadline() <= h.now }

// tick lets everything that is due happen, except that nobody is judged by what
// he has not sent: it may lie in a socket.
func (h *Hub) tick() {
	if h.due() {
		h.step(&dispatch.Event{Kind: dispatch.EventTick, Unheard: true})
	}
}

// mostUnjudged is how many turns in a row a judgement waits for sockets that are
// never empty: in so many turns as much is received as a queue holds.
const mostUnjudged = queueLength / perTurn

// judge lets everything happen that is due, once all sockets were seen empty.
func (h *Hub) judge() {
	if !h.due() {
		h.unjudged = 0
		return
	}
	if h.unjudged++; h.unseen() && h.unjudged <= mostUnjudged {
		return
	}
	h.unjudged = 0
	h.step(&dispatch.Event{Kind: dispatch.EventTick})
}

func (h *Hub) clock() dispatch.Time { return h.out.Now() }

// at is a moment on the core's clock.
func (h *Hub) at(t time.Time) dispatch.Time { return dispatch.Time(t.Sub(h.start)) }

// next is when turn must be called although nothing happened.
func (h *Hub) next() dispatch.Time {
	next := h.core.NextDeadline()
	if len(h.reaching) > 0 {
		next = min(next, h.reaching[0].reachBy)
	}
	return next
}

func (h *Hub) step(ev *dispatch.Event) { h.actions = h.core.Step(h.now, ev, h.actions) }

func (h *Hub) apply(t *task) {
	switch t.kind {
	case taskSubmit:
		h.submit(t.call)
	case taskCancel:
		h.step(&dispatch.Event{Kind: dispatch.EventCancel, Runner: localRunner, Tag: t.tag})
	case taskDo:
		t.do()
	}
}

// receive takes what has arrived.
func (h *Hub) receive() {
	for i := len(h.listening) - 1; i >= 0; i-- { // handling one may remove others
		if i >= len(h.listening) {
			continue
		}
		if w := h.listening[i]; w.own.due() {
			h.drain(w.own, w, nil, func() { h.fromOwnSocket(w) })
		}
	}
	if h.back.due() {
		h.drain(h.back, nil, h.unknownWorker, h.onBackend)
	}
	if h.front != nil && h.front.due() {
		h.drain(h.front, nil, h.unknownRunner, h.onFrontend)
	}
}

// drain hands each message that has arrived on s to handle, up to perTurn. If s
// is the own socket of a worker, it goes no further than that: what comes may end
// the registration, and with it s; and if s breaks, the others are well.
func (h *Hub) drain(s *inlet, own *worker, identify func(string) bool, handle func()) {
	for range perTurn {
		if own != nil && own.gone {
			return
		}
		switch err := s.Recv(&h.msg, identify); {
		case err == nil:
			// What was due before the message arrived comes before it.
			h.now = h.clock()
			h.tick()
			handle()
			if h.core.Jobs() <= 1 {
				h.perform() // nothing to share a message with: a lone caller need not wait for the look at an empty socket
			}
			if h.done() {
				s.look = true
				return
			}
		case errors.Is(err, zmqnet.ErrAgain):
			s.look = false // whatever was sent meanwhile
			return
		case errors.Is(err, zmqnet.ErrMalformed):
			h.malformed(err)
		case own != nil:
			h.loseWorker(own, err.Error())
			return
		default:
			h.fail(err)
			return
		}
	}
	s.look = true
}

// fail records why the hub cannot go on.
func (h *Hub) fail(err error) {
	if h.failed == nil {
		h.failed = err
		h.log.Error("socket failed", "error", err)
	}
}

// malformed counts a message that breaks the protocol, and says so now and then.
func (h *Hub) malformed(err error) {
	h.counters.malformed++
	if h.counters.malformed == 1 || h.now.Sub(h.complained) >= time.Second {
		h.complained = h.now
		h.log.Warn("dropped a malformed message", "error", err, "malformed", h.counters.malformed)
	}
}

// intern returns the string of a service's name without allocating one for
// each job. What a peer can make it keep is bounded.
func (h *Hub) intern(name []byte) string {
	if s, ok := h.names[string(name)]; ok {
		return s
	}
	s := string(name)
	if len(h.names) < maxNames {
		h.names[s] = s
	}
	return s
}

const maxNames = 4096

// bind listens. heartbeat is how often libzmq pings the peers.
func (h *Hub) bind(e *endpoint.Endpoint, which string, heartbeat time.Duration) (*zmqnet.Socket, error) {
	if err := endpoint.CheckInsecure(*e, h.cfg.Insecure); err != nil {
		return nil, fmt.Errorf("%s: %w", which, err)
	}
	s, err := zmqnet.NewRouter(zmqnet.Options{
		MaxMessage: h.cfg.MaxMessage, Probe: true,
		HeartbeatInterval: heartbeat,
		HeartbeatTimeout:  h.cfg.Dispatch.Heartbeat * time.Duration(h.cfg.Dispatch.Liveness),
		SendHWM:           queueLength, RecvHWM: queueLength,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", which, err)
	}
	bound, err := s.Bind(*e)
	if err == nil && bound != e.String() {
		*e, err = endpoint.Parse(bound)
	}
	if err != nil {
		_ = s.Close(0)
		return nil, fmt.Errorf("%s: %w", which, err)
	}
	return s, nil
}

// queueLength is libzmq's own queue for each peer, in messages: more than twice
// what may be outstanding with a worker of the largest capacity and prefetch,
// or with a runner that submits as fast as it can.
const queueLength = 16384

// close frees everything. The hub must not be in turn any more.
func (h *Hub) close(linger time.Duration) {
	for _, w := range h.workers {
		h.release(w)
	}
	for _, r := range h.runners {
		r.stopWatch()
	}
	h.background.Wait()
	if h.front != nil {
		_ = h.front.Close(linger)
	}
	_ = h.back.Close(linger)
}
