// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/powerhose/powerhose/internal/combine"
	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/ledger"
	"github.com/powerhose/powerhose/internal/session"
	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// perRound bounds the messages received from one socket before anything else
// gets its turn.
const perRound = 64

// finalLinger is how long the last messages may take to leave.
const finalLinger = time.Second

const never time.Duration = math.MaxInt64

// engine is a Worker that runs. The session decides, the engine carries out: it
// translates messages and the ends of handlers into the session's events, and
// the session's actions into messages, starts and cancellations.
//
// It has no goroutine of its own. Whoever has something to tell, a handler that
// has ended, the netpoller's goroutine that waits for messages, the timer, adds
// it to the queue, and works the queue if nobody does: a handler sends its own
// result and fetches its next job. Everything up to the queue belongs to whoever
// works it.
type engine struct {
	cfg      Config
	log      *slog.Logger
	services map[string]*service
	names    []string
	base     context.Context // what handlers' contexts are made from
	start    time.Time       // zero of the session's clock

	session    *session.Worker
	actions    []session.WorkerAction
	performing bool
	now        time.Duration // of the round in progress
	armed      time.Duration // when the timer will fire, never if it will not

	dealer    *zmqnet.Socket
	waiter    *zmqnet.Waiter
	own       *ownSocket // in listen mode, while registering or registered
	listening int        // counts own sockets
	msg       zmqnet.Message
	sent      bool // a message was sent since the sockets were last found empty
	scratch   []byte
	box       outbox
	slots     []slot

	// The registration.
	registered bool
	batch      int   // records in one BATCH, less than 2 for no batches
	maxMessage int64 // octets of a frame
	prefetch   int   // offered if there is a ledger, or without one if cfg says so
	ledger     *ledger.Worker
	claimed    uint64 // number claimed last

	dropped    uint64 // messages
	complained time.Duration

	over   bool
	reason session.WorkerReason // why it is over, if err is nil
	text   string
	err    error

	queue *combine.Queue[task]

	timer      *time.Timer
	news       atomic.Bool // a socket has, or may have, messages
	fired      atomic.Bool // the timer fired
	ended      chan struct{}
	handlers   sync.WaitGroup
	background sync.WaitGroup // goroutines that close own sockets
}

// task is something that another goroutine has to tell.
type task struct {
	run   *run // a handler has ended
	drain bool
	open  bool // the first task: begin
}

// start connects, and returns when the engine runs.
func start(ctx context.Context, cfg Config) (*engine, error) {
	backend, _, err := cfg.endpoints()
	if err != nil {
		return nil, err
	}
	e := &engine{
		cfg: cfg, log: cfg.Logger.With("worker", cfg.Identity), names: cfg.Services.names(),
		services: make(map[string]*service, len(cfg.Services)),
		base:     context.WithoutCancel(ctx), start: time.Now(), armed: never,
		slots: make([]slot, cfg.Capacity), ended: make(chan struct{}),
	}
	for name, handler := range cfg.Services {
		e.services[name] = &service{name: name, handler: handler}
	}
	e.prefetch = max(cfg.Prefetch, 0)
	if e.wantsLedger(backend) && cfg.Prefetch == 0 {
		e.prefetch = DefaultPrefetch
	}
	e.session = session.NewWorker(0, session.WorkerConfig{
		Services: e.names, Capacity: cfg.Capacity, Prefetch: e.prefetch, Listen: cfg.Listen != "",
		Patience: cfg.Patience, DrainTimeout: cfg.DrainTimeout,
	})
	if e.dealer, err = zmqnet.NewDealer(e.options()); err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	if err = e.dealer.Connect(cfg.Backend); err != nil {
		_ = e.dealer.Close(0)
		return nil, fmt.Errorf("worker: %w", err)
	}
	e.queue = combine.New(e.work)
	e.timer = time.AfterFunc(time.Hour, func() {
		e.fired.Store(true)
		e.queue.Kick()
	})
	e.queue.Add(task{open: true})
	return e, nil
}

// options of every socket: the queues are more than twice as long as what may be
// outstanding, so that a message that cannot be sent means no connection.
func (e *engine) options() zmqnet.Options {
	queue := max(zmqnet.DefaultHWM, 4*(e.cfg.Capacity+e.prefetch))
	return zmqnet.Options{MaxMessage: e.cfg.MaxMessage, SendHWM: queue, RecvHWM: queue}
}

// wantsLedger: a ledger needs a master on this machine, and a connection on
// which jobs cannot outlive their registration.
func (e *engine) wantsLedger(backend endpoint.Endpoint) bool {
	return backend.IsIPC() && e.cfg.Listen == ""
}

// work is one round: it does what there is to do now, and reports whether it
// must be called again at once.
func (e *engine) work(tasks []task) (again bool) {
	if e.over {
		return false
	}
	e.now = time.Since(e.start)
	news := e.news.Swap(false)
	if e.fired.Swap(false) {
		e.armed = never
	}
	for i := range tasks {
		e.apply(&tasks[i])
	}
	if !news && len(tasks) > 0 && e.holds() {
		e.arm() // the sockets are as they were
		return false
	}
	e.flush()
	e.sent = false
	again = e.receive()
	// What has arrived is heard before a silence is judged.
	if at, ok := e.session.NextDeadline(); ok && at <= e.now {
		e.step(session.WorkerEvent{Kind: session.WorkerTick})
	}
	e.flush()
	e.arm()
	// A send may swallow the signal for a message that came meanwhile, so the
	// sockets count as empty only if they were looked at after the last send.
	return (again || e.sent) && !e.over
}

func (e *engine) apply(t *task) {
	switch {
	case t.run != nil:
		e.step(session.WorkerEvent{Kind: session.WorkerDone, Slot: t.run.slot})
	case t.drain:
		e.log.Info("draining", "running", e.session.Running(), "waiting", e.session.Waiting())
		e.step(session.WorkerEvent{Kind: session.WorkerDrain})
	case t.open:
		var err error
		if e.waiter, err = zmqnet.NewWaiter(e.dealer, nil, e.ready); err != nil {
			e.fail(err)
		}
	}
}

// ready is called by the netpoller's goroutine when a socket has news.
func (e *engine) ready() (stop bool) {
	e.news.Store(true)
	e.queue.Kick()
	return false
}

// arm sets the timer if it would fire too late.
func (e *engine) arm() {
	next, ok := e.session.NextDeadline()
	if !ok {
		return
	}
	if e.box.n > 0 {
		next = min(next, e.box.since+holdMost)
	}
	if next < e.armed {
		e.armed = next
		e.timer.Reset(max(next-e.now, 0))
	}
}

// receive takes what has arrived, and reports whether there may be more.
func (e *engine) receive() (more bool) {
	more = e.drain(e.dealer, false)
	switch {
	case e.over || e.own == nil:
	case e.registered:
		more = e.drain(e.own.socket, true) || more
	default:
		// Jobs may overtake the WELCOME: they are left where they are until it
		// comes. Only looking makes libzmq send the probe to a new connection.
		if _, err := e.own.socket.Readable(); err != nil {
			e.fail(err)
		}
	}
	return more
}

func (e *engine) drain(s *zmqnet.Socket, own bool) (more bool) {
	for range perRound {
		switch err := s.Recv(&e.msg, nil); {
		case err == nil:
			// A job's deadline counts from its arrival: a handler that gives up
			// at its deadline must not be earlier than the master.
			e.now = time.Since(e.start)
			ev := session.WorkerEvent{Kind: session.WorkerReceived, Frames: e.msg.Frames}
			if own {
				ev.Peer = e.msg.ID
			}
			e.step(ev)
			if e.over || own && (e.own == nil || e.own.socket != s) {
				return false
			}
		case errors.Is(err, zmqnet.ErrAgain):
			return false
		case errors.Is(err, zmqnet.ErrMalformed):
			e.complain(err.Error())
		default:
			e.fail(err)
			return false
		}
	}
	return true
}

// complain counts a message that was dropped, and says so now and then.
func (e *engine) complain(why string) {
	e.dropped++
	if e.dropped == 1 || e.now-e.complained >= time.Second {
		e.complained = e.now
		e.log.Warn("dropped a message of the master", "reason", why, "dropped", e.dropped)
	}
}

// fail ends the engine for a reason of its own.
func (e *engine) fail(err error) {
	if !e.over {
		e.err = fmt.Errorf("worker: %w", err)
		e.finishAll()
	}
}

// finishAll is the last thing that a round does.
func (e *engine) finishAll() {
	e.over = true
	close(e.ended)
}

// shutdown frees everything after the end, and returns what Run returns.
func (e *engine) shutdown() error {
	e.queue.Close()
	e.timer.Stop()
	if e.waiter != nil {
		e.waiter.Stop()
	}
	linger := time.Duration(0)
	if e.reason == session.WorkerDrained || e.reason == session.WorkerDrainTimeout {
		linger = finalLinger
	}
	e.closeOwn(linger)
	e.background.Wait()
	_ = e.dealer.Close(linger)
	e.dropLedger()
	for i := range e.slots {
		if s := &e.slots[i]; s.work != nil {
			s.run.ctx.end(ErrMasterLost) // if it still runs and was not told
			close(s.work)
		}
	}
	running := e.session.Running()
	if running == 0 {
		e.handlers.Wait()
	}
	return e.verdict(running)
}

func (e *engine) verdict(running int) error {
	if e.err != nil {
		return e.err
	}
	switch e.reason {
	case session.WorkerDrained:
		return nil
	case session.WorkerDrainTimeout:
		return fmt.Errorf("%w: %d after %v", ErrDrainTimeout, running, e.cfg.DrainTimeout)
	case session.WorkerMasterGone:
		return fmt.Errorf("%w: nothing came from %s for %v", ErrMasterGone, e.cfg.Backend, e.cfg.Patience)
	case session.WorkerWedged:
		return fmt.Errorf("%w: %d after %v", ErrWedged, running, e.cfg.Patience)
	default:
		return fmt.Errorf("%w: %q", ErrRefused, e.text)
	}
}

// service of a job; the session lets only those through that are offered.
func (e *engine) newRun(slot int, job *session.WorkerJob) *run {
	s := e.services[string(job.Service)]
	return &run{
		job: Job{Service: s.name, Payload: job.Payload, headers: protocol.Headers(job.Headers)},
		ctx: jobContext{base: e.base, deadline: e.start.Add(job.Deadline)}, slot: slot, call: s.handler,
	}
}
