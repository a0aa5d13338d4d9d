// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"time"

	"github.com/powerhose/powerhose/internal/session"
	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// What package worker does too: how much goes into a batch of results and how
// long it may grow, and how many messages are read at a time.
const (
	workerBatchPayload = 8 << 10
	workerBatchBytes   = 60 << 10
	workerQuick        = 20 * time.Microsecond
	workerHoldMany     = 16
	workerHoldFor      = 50 * time.Microsecond
	workerHoldMost     = 200 * time.Microsecond
	workerReceives     = 64
)

// worker is a process with a session.Worker, and around it what package worker
// does.
type worker struct {
	w       *world
	place   *place
	spec    *WorkerSpec
	p       *process
	session *session.Worker
	actions []session.WorkerAction
	busy    bool

	dealer   *dealer
	own      *router // in listen mode
	opened   int     // own sockets so far
	msg      zmqnet.Message
	news     bool // something may have arrived
	tasks    []workerTask
	slots    []*run // the handlers that run
	finished *run   // that the session was told about last
	scratch  []byte

	registered bool
	batch      int
	ledger     *ledgerFile
	path       string
	ledgers    int
	claimed    uint64

	box struct {
		frame []byte
		n     int
		peer  string
		since time.Duration
		last  time.Duration
	}
	over   bool
	reason session.WorkerReason
	text   string
}

type workerTask struct {
	done  *run
	drain bool
}

// run is one call of a handler.
type run struct {
	k     *worker
	slot  int
	sub   *submission
	call  int // which one of the job's; 0 before it has begun
	began time.Duration
	still time.Duration // how long the process had stood still when it began
	end   time.Duration
	took  time.Duration
}

func (w *world) startWorker(pl *place) *process {
	k := &worker{w: w, place: pl, spec: pl.worker, slots: make([]*run, pl.worker.Capacity), news: true}
	k.p = w.start(pl.name(), pl.host, pl.drift, pl.lag, k)
	k.session = session.NewWorker(0, session.WorkerConfig{
		Services: k.spec.Services, Capacity: k.spec.Capacity, Prefetch: k.spec.Prefetch, Listen: k.spec.Listen,
		Patience: w.script.Patience, DrainTimeout: w.script.WorkerDrain,
	})
	hwm := max(w.script.HWM, 4*(k.spec.Capacity+k.spec.Prefetch))
	k.dealer = k.p.newDealer(backend(k.spec.Master), hwm, w.script.Beats)
	k.dealer.connect()
	k.p.kick()
	return k.p
}

func (k *worker) ended() {
	k.w.removeLedger(k.path)
	k.place.died()
}

// drain is SIGTERM.
func (k *worker) drain(time.Duration) {
	k.tasks = append(k.tasks, workerTask{drain: true})
	k.p.kick()
}

// round is engine.work, again and again.
func (k *worker) round() time.Duration {
	for k.work() && !k.over {
	}
	if k.over {
		if n := k.session.Waiting() + k.session.Running(); n > 0 && k.reason == session.WorkerDrained {
			k.w.fail(nil, "%s is drained, and has %d jobs", k.p.name, n)
		}
		k.p.exit(k.reason == session.WorkerDrained || k.reason == session.WorkerDrainTimeout)
		return never
	}
	next, ok := k.session.NextDeadline()
	if !ok {
		k.w.fail(nil, "%s has ended and does not know it", k.p.name)
	}
	if k.box.n > 0 {
		next = min(next, k.box.since+workerHoldMost)
	}
	return next
}

func (k *worker) work() (again bool) {
	k.p.look()
	tasks := k.tasks
	k.tasks = nil
	for _, t := range tasks {
		if t.drain {
			k.step(session.WorkerEvent{Kind: session.WorkerDrain})
		} else {
			k.finished, k.slots[t.done.slot] = t.done, nil
			k.step(session.WorkerEvent{Kind: session.WorkerDone, Slot: t.done.slot})
		}
	}
	if len(tasks) > 0 && k.holds() && !k.p.rng.oneIn(4) { // else a message came as well
		return false
	}
	k.flush()
	again = k.receive()
	if at, ok := k.session.NextDeadline(); ok && at <= k.p.now() {
		k.step(session.WorkerEvent{Kind: session.WorkerTick})
	}
	k.flush()
	return again
}

func (k *worker) receive() (more bool) {
	more = k.read(k.dealer)
	if k.over || k.own == nil {
		return more
	}
	if k.registered {
		return k.read(k.own) || more
	}
	k.own.probe()
	return more
}

func (k *worker) read(s interface {
	Recv(*zmqnet.Message, func(string) bool) error
},
) (more bool) {
	for range workerReceives {
		if s.Recv(&k.msg, nil) != nil {
			return false
		}
		k.noteDeadlines()
		k.step(session.WorkerEvent{Kind: session.WorkerReceived, Frames: k.msg.Frames, Peer: k.msg.ID})
		if k.over || (s == k.own && !k.registered) {
			return false
		}
	}
	return true
}

func (k *worker) step(ev session.WorkerEvent) {
	k.actions = k.session.Step(k.p.now(), &ev, k.actions)
	if k.busy {
		return
	}
	k.busy = true
	for i := 0; i < len(k.actions) && !k.over; i++ {
		a := k.actions[i]
		k.perform(&a)
	}
	k.busy = false
	clear(k.actions)
	k.actions = k.actions[:0]
	k.check()
}

// check: nothing runs that the session does not know of.
func (k *worker) check() {
	running := 0
	for _, r := range k.slots {
		if r != nil {
			running++
		}
	}
	if !k.over && running != k.session.Running() {
		k.w.fail(nil, "%s runs %d jobs, and counts %d", k.p.name, running, k.session.Running())
	}
}

func (k *worker) perform(a *session.WorkerAction) {
	switch a.Kind {
	case session.WorkerStart:
		k.start(a)
	case session.WorkerResult:
		k.answer(a)
	case session.WorkerReturn:
		k.returned(a)
		k.scratch = protocol.JobRef{ID: a.Ref.ID, Attempt: a.Ref.Attempt}.Append(k.scratch[:0], protocol.CommandReturn)
		k.send(a.Peer, k.scratch, nil, false)
	case session.WorkerSend:
		k.say(a)
	case session.WorkerCancel:
		if r := k.slots[a.Slot]; r != nil {
			r.cancel()
		}
	case session.WorkerRegister:
		k.register()
	case session.WorkerUp:
		k.up(a.Welcome)
	case session.WorkerDown:
		k.w.note(nil, k.p.name, "registration lost: %v", a.Reason)
		k.registered = false
		k.box.n = 0
	case session.WorkerReconnect:
		k.w.note(nil, k.p.name, "connects again: %v", a.Reason)
		k.dealer.disconnect()
		k.dealer.connect()
	case session.WorkerDropped:
		if k.w.trace != nil {
			k.w.note(nil, k.p.name, "dropped: %s", a.Text)
		}
	case session.WorkerEnd:
		k.w.note(nil, k.p.name, "ends: %v %s", a.Reason, a.Text)
		k.over, k.reason, k.text = true, a.Reason, a.Text
		if a.Reason == session.WorkerRefused && !k.spec.Listen && k.w.script.Hub.MaxWorkers == 0 {
			k.w.fail(nil, "%s is refused: %s", k.p.name, a.Text)
		}
	}
}

func (k *worker) start(a *session.WorkerAction) {
	s := k.w.submissionOf(a.Job.Headers)
	s.claimed = true // or it will not start
	if !k.claim(a.Job.Number) {
		k.w.saw(SightFenced)
		k.w.note(s.job, k.p.name, "fenced")
		k.step(session.WorkerEvent{Kind: session.WorkerFenced, Slot: a.Slot})
		return
	}
	switch {
	case k.slots[a.Slot] != nil:
		k.w.fail(s.job, "%s starts it in a slot that is taken", k.p.name)
	case s.startOn == k && s.startBy <= k.p.now():
		k.w.fail(s.job, "%s starts it %v after its deadline", k.p.name, k.p.now()-s.startBy)
	case k.w.jobOf(a.Job.Payload) != s.job || string(a.Job.Service) != s.job.service:
		k.w.fail(s.job, "%s gets another payload or service", k.p.name)
	}
	r := &run{k: k, slot: a.Slot, sub: s}
	k.slots[a.Slot] = r
	k.w.after(k.p.rng.about(5*time.Microsecond), r, runBegin) // in a goroutine of its own
}

// claim writes into the start ledger that the n-th job starts.
func (k *worker) claim(n uint64) bool {
	if k.ledger == nil {
		return true
	}
	for k.claimed < n {
		if !k.ledger.claim(k.claimed+1) && !k.w.sabotage {
			return false
		}
		k.claimed++
	}
	return true
}

func (k *worker) say(a *session.WorkerAction) {
	buf := k.scratch[:0]
	switch a.Command {
	case protocol.CommandPing:
		buf = protocol.AppendPing(buf, protocol.RoleWorker)
	case protocol.CommandPong:
		buf = protocol.AppendPong(buf, protocol.RoleWorker)
	case protocol.CommandDrain:
		buf = protocol.AppendDrain(buf, protocol.RoleWorker)
	case protocol.CommandBye:
		k.flush()
		buf = protocol.AppendBye(buf, protocol.RoleWorker)
	default:
		k.w.fail(nil, "%s is to send %v", k.p.name, a.Command)
	}
	k.scratch = buf
	k.send(a.Peer, buf, nil, false)
}

func (k *worker) send(peer string, first, more []byte, two bool) {
	if peer != "" {
		if k.own != nil {
			_ = k.own.send(peer, first, more, two) // its master sees the end of that connection too
		}
		return
	}
	if k.dealer.send(first, more, two) != nil {
		k.step(session.WorkerEvent{Kind: session.WorkerUnsent})
	}
}

func (k *worker) register() {
	k.dropLedger()
	sp := k.spec
	reg := protocol.Registration{
		Identity: fmt.Sprintf("%s.%d", k.p.name, k.place.starts), Services: sp.Services, Capacity: sp.Capacity,
		Prefetch: sp.Prefetch, PID: k.p.pid, Batch: sp.Batch,
	}
	if sp.Ledger && !sp.Listen {
		k.ledgers++
		k.path, k.ledger = k.w.newLedger(k.p, k.ledgers)
		k.ledger.broken = k.p.rng.oneIn(k.w.script.BadLedgers)
		reg.Ledger = k.path
	}
	if sp.Listen {
		if k.own != nil {
			_ = k.own.Close(0)
		}
		k.opened++
		k.own = k.p.newRouter(fmt.Sprintf("ipc:///run/%s-%d.%d", k.place.name(), k.p.pid, k.opened), k.dealer.hwm, k.w.script.Beats)
		reg.Endpoint = k.own.endpoint
	}
	frame, err := protocol.AppendRegister(k.scratch[:0], protocol.RoleWorker, reg)
	if err != nil {
		k.w.fail(nil, "%s: %v", k.p.name, err)
	}
	k.scratch = frame
	k.send("", frame, nil, false)
}

// returned notes that a job is given back: jobs after it claim it in passing.
func (k *worker) returned(a *session.WorkerAction) {
	if k.dealer.conn == nil {
		return
	}
	seen := k.dealer.conn.side[routing].p.body.(*master).seen
	if r := seen.find(k.dealer.conn); r != nil {
		for _, h := range r.held {
			if h.ref == a.Ref {
				h.sub.claimed = true
			}
		}
	}
}

func (k *worker) dropLedger() {
	if k.ledger != nil {
		k.w.removeLedger(k.path)
		k.ledger, k.claimed, k.path = nil, 0, ""
	}
}

func (k *worker) up(m *protocol.Welcome) {
	k.w.note(nil, k.p.name, "registered, prefetch %d, batch %d, ledger %v", m.Prefetch, m.Batch, m.Ledger)
	k.registered, k.batch = true, m.Batch
	switch k.w.saw(SightRegistered); {
	case k.spec.Listen:
		k.w.saw(SightOwnSocket)
	case m.Ledger:
		k.w.saw(SightLedger)
	case k.ledger != nil:
		k.w.saw(SightBadLedger)
	}
	switch {
	case k.ledger == nil:
	case m.Ledger:
		k.w.removeLedger(k.path)
	default:
		k.dropLedger()
	}
}
