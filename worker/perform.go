// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"errors"
	"fmt"
	"os"

	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/ledger"
	"github.com/powerhose/powerhose/internal/session"
	"github.com/powerhose/powerhose/internal/version"
	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// step gives the session an event and performs what comes out. Performing may
// be an event itself: what that gives is performed last.
func (e *engine) step(ev session.WorkerEvent) {
	e.actions = e.session.Step(e.now, &ev, e.actions)
	if e.performing {
		return
	}
	e.performing = true
	for i := 0; i < len(e.actions) && !e.over; i++ {
		a := e.actions[i] // a copy, as the slice may move
		e.perform(&a)
	}
	e.performing = false
	clear(e.actions)
	e.actions = e.actions[:0]
}

func (e *engine) perform(a *session.WorkerAction) {
	switch a.Kind {
	case session.WorkerStart:
		e.startJob(a)
	case session.WorkerResult:
		e.answer(a.Ref, a.Peer, e.slots[a.Slot].run)
	case session.WorkerReturn:
		e.scratch = protocol.JobRef{ID: a.Ref.ID, Attempt: a.Ref.Attempt}.Append(e.scratch[:0], protocol.CommandReturn)
		e.send1(a.Peer, e.scratch)
	case session.WorkerSend:
		e.say(a)
	case session.WorkerCancel:
		if r := e.slots[a.Slot].run; r != nil {
			r.ctx.end(causeOf(a.Reason))
		}
	case session.WorkerRegister:
		e.register()
	case session.WorkerUp:
		e.up(a.Welcome)
	case session.WorkerDown:
		e.down(a)
	case session.WorkerReconnect:
		e.reconnect(a)
	case session.WorkerDropped:
		e.complain(a.Text)
	case session.WorkerEnd:
		e.reason, e.text = a.Reason, a.Text
		e.finishAll()
	}
}

func (e *engine) startJob(a *session.WorkerAction) {
	if !e.claim(a.Job.Number) {
		e.step(session.WorkerEvent{Kind: session.WorkerFenced, Slot: a.Slot})
		return
	}
	s := &e.slots[a.Slot]
	s.run = e.newRun(a.Slot, a.Job)
	if s.work == nil {
		s.work = make(chan *run, 1)
		e.handlers.Add(1)
		go e.serve(s)
	}
	s.work <- s.run // never blocks: the slot is free
}

// claim writes into the start ledger that the n-th job starts, and with it, in
// passing, that those before it will not start any more.
func (e *engine) claim(n uint64) bool {
	if e.ledger == nil {
		return true
	}
	for e.claimed < n {
		if !e.ledger.Claim(e.claimed + 1) {
			return false
		}
		e.claimed++
	}
	return true
}

// say sends a message without fields.
func (e *engine) say(a *session.WorkerAction) {
	buf := e.scratch[:0]
	switch a.Command {
	case protocol.CommandPing:
		buf = protocol.AppendPing(buf, protocol.RoleWorker)
	case protocol.CommandPong:
		buf = protocol.AppendPong(buf, protocol.RoleWorker)
	case protocol.CommandDrain:
		buf = protocol.AppendDrain(buf, protocol.RoleWorker)
	case protocol.CommandBye:
		e.flush() // what is finished is delivered
		buf = protocol.AppendBye(buf, protocol.RoleWorker)
	}
	e.scratch = buf
	e.send1(a.Peer, buf)
}

func (e *engine) send1(peer string, frame []byte) {
	if peer == "" {
		e.judge(peer, e.dealer.Send1(frame))
	} else if e.own != nil {
		e.judge(peer, e.own.socket.SendTo1(peer, frame))
	}
}

func (e *engine) send2(peer string, header, payload []byte) {
	if peer == "" {
		e.judge(peer, e.dealer.Send2(header, payload))
	} else if e.own != nil {
		e.judge(peer, e.own.socket.SendTo2(peer, header, payload))
	}
}

// judge draws the conclusion from what became of a message.
func (e *engine) judge(peer string, err error) {
	e.sent = true
	switch {
	case err == nil:
	case !errors.Is(err, zmqnet.ErrAgain) && !errors.Is(err, zmqnet.ErrUnreachable):
		e.fail(err)
	case peer == "":
		e.step(session.WorkerEvent{Kind: session.WorkerUnsent})
	default:
		// The master will see that connection's end, and end the registration.
		e.log.Debug("could not answer the master at our own socket", "error", err)
	}
}

// register sends REGISTER, with a ledger and an own socket that are fresh.
func (e *engine) register() {
	e.dropLedger()
	reg := protocol.Registration{
		Identity: e.cfg.Identity, Services: e.names, Capacity: e.cfg.Capacity, Prefetch: max(e.cfg.Prefetch, 0),
		PID: os.Getpid(), Host: hostName(), Language: "go", LibraryVersion: version.Version,
	}
	backend, listen, err := e.cfg.endpoints()
	if err != nil {
		e.fail(err)
		return
	}
	if e.wantsLedger(backend) {
		if e.ledger, err = newLedger(); err != nil {
			e.log.Warn("no start ledger, so no prefetch unless asked for", "error", err)
		} else {
			reg.Ledger, reg.Prefetch = e.ledger.Path(), e.prefetch
		}
	}
	if e.cfg.Listen != "" {
		if reg.Endpoint, err = e.openOwn(listen); err != nil {
			e.fail(err)
			return
		}
	}
	if reg.Batch = min(reg.Capacity+reg.Prefetch, protocol.MaxBatch); reg.Batch < 2 {
		reg.Batch = 0
	}
	frame, err := protocol.AppendRegister(e.scratch[:0], protocol.RoleWorker, reg)
	if err != nil {
		e.fail(err)
		return
	}
	e.scratch = frame
	e.send1("", frame)
}

func newLedger() (*ledger.Worker, error) {
	dir, err := endpoint.RuntimeDir()
	if err != nil {
		return nil, err
	}
	if err := endpoint.EnsureDir(dir); err != nil {
		return nil, err
	}
	return ledger.Create(dir)
}

func (e *engine) dropLedger() {
	if e.ledger == nil {
		return
	}
	if err := e.ledger.Close(); err != nil {
		e.log.Warn("could not remove the start ledger", "error", err)
	}
	e.ledger, e.claimed = nil, 0
}

// up takes over what the master grants.
func (e *engine) up(m *protocol.Welcome) {
	e.registered = true
	e.batch, e.maxMessage = m.Batch, min(m.MaxMessage, e.cfg.MaxMessage)
	if m.MaxMessage > e.cfg.MaxMessage {
		e.log.Warn("the master allows larger messages than this worker: one of them would end the connection",
			"max_message", e.cfg.MaxMessage, "master", m.MaxMessage)
	}
	if e.ledger != nil && !m.Ledger {
		e.dropLedger()
	} else if e.ledger != nil {
		if err := e.ledger.Unlink(); err != nil {
			e.log.Warn("could not remove the file of the start ledger", "error", err)
		}
	}
	e.log.Info("registered", "master", m.Identity, "pid", m.PID, "host", m.Host, "version", m.Version,
		"prefetch", m.Prefetch, "batch", m.Batch, "ledger", m.Ledger, "heartbeat", m.Heartbeat)
}

func (e *engine) down(a *session.WorkerAction) {
	e.registered = false
	e.box.drop()
	if a.Reason != session.WorkerDrained {
		e.log.Warn("registration lost", "reason", a.Reason.String())
	}
}

// reconnect makes a new connection, also where libzmq has given up the old one
// for ever after an error of the protocol below ours.
func (e *engine) reconnect(a *session.WorkerAction) {
	e.log.Warn("connecting again", "backend", e.cfg.Backend, "reason", a.Reason.String())
	if err := e.dealer.Disconnect(e.cfg.Backend); err != nil {
		e.log.Debug("disconnect", "error", err)
	}
	e.sent = true
	if err := e.dealer.Connect(e.cfg.Backend); err != nil {
		e.fail(err)
	}
}

// causeOf is what a handler's context tells.
func causeOf(why session.WorkerReason) error {
	switch why {
	case session.WorkerCancelled:
		return ErrCancelled
	case session.WorkerDrainTimeout:
		return ErrDrainTimeout
	default:
		return fmt.Errorf("%w: %s", ErrMasterLost, why)
	}
}
