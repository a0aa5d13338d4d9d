// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/powerhose/powerhose/internal/dispatch"
	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// fromBackend handles h.msg, a message of a worker's registration connection.
func (h *Hub) fromBackend() {
	if h.msg.IsProbe() {
		return
	}
	head, fields, ok := h.header(h.back, protocol.RoleWorker)
	if !ok {
		return
	}
	if head.Command == protocol.CommandRegister {
		h.registerWorker(fields)
		return
	}
	switch w := h.workers[h.msg.ID]; {
	case w == nil:
		h.stranger(h.back, head)
	case w.id != 0: // else it waits for R-74
		h.fromWorker(w, head.Command, fields)
	}
}

// header checks what all messages have in common. It answers what must be
// answered, and reports whether the message is to be handled.
func (h *Hub) header(s *inlet, role protocol.Role) (protocol.Header, []byte, bool) {
	head, fields, err := protocol.ParseHeader(h.msg.Frames[0])
	switch {
	case errors.Is(err, protocol.ErrVersion):
		h.refusePeer(s, role, protocol.CodeVersion, fmt.Sprintf("this master speaks version %d", protocol.Version))
	case err != nil:
		h.malformed(err)
	case head.Role != role:
		h.refusePeer(s, role, protocol.CodeWrongRole,
			fmt.Sprintf("this endpoint is for %ss, a %s connected: frontend and backend are swapped", role, head.Role))
	default:
		want := head.Frames(protocol.ToMaster)
		if want == 0 {
			h.refusePeer(s, role, protocol.CodeUnknownCommand, fmt.Sprintf("unknown command %#x", byte(head.Command)))
		} else if want != len(h.msg.Frames) {
			h.malformed(fmt.Errorf("%w: %s with %d frames", protocol.ErrMalformed, head.Command, len(h.msg.Frames)))
		} else {
			return head, fields, true
		}
	}
	return head, nil, false
}

// fromWorker handles a message of a registered worker, from either connection.
func (h *Hub) fromWorker(w *worker, cmd protocol.Command, fields []byte) {
	var err error
	switch cmd {
	case protocol.CommandResult:
		err = h.result(w, fields, h.msg.Frames[1])
	case protocol.CommandBatch:
		err = h.batch(fields, w.batch, func(cmd protocol.Command, fields, payload []byte) error {
			if cmd != protocol.CommandResult {
				return protocol.ErrMalformed
			}
			return h.result(w, fields, payload)
		})
	case protocol.CommandReturn:
		var ref protocol.JobRef
		if ref, err = protocol.ParseJobRef(fields); err == nil {
			h.step(&dispatch.Event{
				Kind: dispatch.EventReturned, Worker: w.id,
				Job: dispatch.JobID(ref.ID), Attempt: ref.Attempt,
			})
		}
	case protocol.CommandPing:
		if err = protocol.ParseEmpty(fields); err == nil {
			h.step(&dispatch.Event{Kind: dispatch.EventWorkerBeat, Worker: w.id})
			h.scratch = protocol.AppendPong(h.scratch[:0], protocol.RoleWorker)
			h.notify(&w.peer, h.scratch)
		}
	case protocol.CommandPong:
		if err = protocol.ParseEmpty(fields); err == nil {
			h.step(&dispatch.Event{Kind: dispatch.EventWorkerBeat, Worker: w.id})
		}
	case protocol.CommandDrain:
		if err = protocol.ParseEmpty(fields); err == nil {
			h.step(&dispatch.Event{Kind: dispatch.EventWorkerDrain, Worker: w.id})
		}
	case protocol.CommandBye:
		if err = protocol.ParseEmpty(fields); err == nil {
			h.loseWorker(w, "left")
		}
	default:
		err = fmt.Errorf("%w: unexpected %s from a worker", protocol.ErrMalformed, cmd)
	}
	if err != nil {
		h.malformed(err)
	}
}

// batch hands each record to handle, and stops at the first bad one.
func (h *Hub) batch(fields []byte, limit int, handle func(cmd protocol.Command, fields, payload []byte) error) error {
	records := protocol.ReadBatch(fields)
	for n := 1; ; n++ {
		cmd, fields, payload, ok := records.Next()
		if !ok {
			return records.Err()
		}
		if n > limit {
			return fmt.Errorf("%w: more than %d records in a batch", protocol.ErrTooLarge, limit)
		}
		if err := handle(cmd, fields, payload); err != nil {
			return err
		}
	}
}

func (h *Hub) result(w *worker, fields, payload []byte) error {
	res, err := protocol.ParseWorkerResult(fields)
	if err != nil {
		return err
	}
	h.step(&dispatch.Event{
		Kind: dispatch.EventResult, Worker: w.id,
		Job: dispatch.JobID(res.ID), Attempt: res.Attempt,
		Failed: res.Status == protocol.StatusError, Run: res.Run, Payload: payload,
	})
	return nil
}

// registerWorker makes whoever sent h.msg a worker, anew if it was one already.
func (h *Hub) registerWorker(fields []byte) {
	reg, err := protocol.ParseRegistration(protocol.RoleWorker, fields)
	if err != nil {
		h.refusePeer(h.back, protocol.RoleWorker, protocol.CodeRefused, err.Error())
		return
	}
	conn, cred := strings.Clone(h.msg.ID), h.msg.Peer
	if old := h.workers[conn]; old != nil {
		cred = old.cred
		h.loseWorker(old, "registered again")
	}
	if old := h.byIdentity[reg.Identity]; old != nil {
		h.loseWorker(old, "registered from another connection")
	}
	if len(h.workers) >= h.cfg.MaxWorkers {
		h.refusePeer(h.back, protocol.RoleWorker, protocol.CodeRefused,
			fmt.Sprintf("this master has its %d workers already", h.cfg.MaxWorkers))
		return
	}
	w := &worker{reg: reg, since: h.now}
	w.peer = peer{conn: conn, cred: cred, role: protocol.RoleWorker, worker: w, batch: max(1, min(reg.Batch, h.cfg.Batch))}
	if reg.Endpoint != "" {
		if err := h.reach(w); err != nil {
			h.refusePeer(h.back, protocol.RoleWorker, protocol.CodeRefused, err.Error())
			return
		}
	}
	// A path is opened only for a process of this machine and this user, on the
	// kernel's word.
	if reg.Ledger != "" && cred.OK && cred.UID == os.Geteuid() {
		if w.ledger, err = h.out.OpenLedger(reg.Ledger); err != nil {
			h.log.Warn("cannot read a worker's start ledger", "worker", reg.Identity, "error", err)
		}
	}
	w.prefetch = min(reg.Prefetch, h.cfg.Prefetch)
	if reg.Ledger != "" && w.ledger == nil {
		w.prefetch = 0 // it counts on a ledger that cannot be read
	}
	h.workers[conn] = w
	h.byIdentity[reg.Identity] = w
	h.watchProcess(&w.peer, cred, func() {
		h.drainGone()
		h.loseWorker(w, "its process ended")
	})
	if w.own == nil {
		h.accept(w)
	}
}

// drainGone takes the last messages of a process that has ended, before it
// counts as gone.
func (h *Hub) drainGone() {
	h.perform()
	h.inlets(func(in *inlet) { in.look = true })
	for range queueLength / perTurn { // as much as there can be
		if h.receive(); !h.unseen() {
			return
		}
	}
}

// accept welcomes a worker that can be given jobs from now on.
func (h *Hub) accept(w *worker) {
	welcome := h.welcome()
	welcome.Batch = w.batch
	if w.batch < 2 {
		welcome.Batch = 0
	}
	welcome.Prefetch = w.prefetch
	welcome.Ledger = w.ledger != nil
	header, err := welcome.Append(h.scratch[:0], protocol.RoleWorker)
	if err != nil {
		h.fail(err)
		return
	}
	h.scratch = header
	if !h.notify(&w.peer, header) {
		return
	}
	h.lastWorkerID++
	w.id = h.lastWorkerID
	h.byWorkerID[w.id] = w
	h.log.Info("worker registered", "worker", w.reg.Identity, "pid", w.reg.PID, "host", w.reg.Host,
		"language", w.reg.Language, "services", w.reg.Services, "capacity", w.reg.Capacity)
	h.step(&dispatch.Event{
		Kind: dispatch.EventWorkerUp, Worker: w.id, Services: w.reg.Services,
		Capacity: w.reg.Capacity, Prefetch: w.prefetch,
	})
}

// loseWorker ends a registration. Its ledger is closed first: from then on it
// starts nothing more, and what it has claimed is what may have started.
func (h *Hub) loseWorker(w *worker, why string) {
	if w.gone {
		return
	}
	started := w.sent
	if w.ledger != nil {
		if claimed, ok := w.ledger.CloseAndCount(); ok {
			started = min(started, int64(claimed))
		}
	}
	id := w.id
	h.forgetWorker(w)
	h.log.Warn("worker lost", "worker", w.reg.Identity, "pid", w.reg.PID, "reason", why)
	if id != 0 {
		h.step(&dispatch.Event{Kind: dispatch.EventWorkerDown, Worker: id, Started: started})
	}
}

func (h *Hub) forgetWorker(w *worker) {
	w.gone = true
	w.boxed = 0
	delete(h.workers, w.conn)
	delete(h.byWorkerID, w.id)
	if h.byIdentity[w.reg.Identity] == w {
		delete(h.byIdentity, w.reg.Identity)
	}
	h.reaching = slices.DeleteFunc(h.reaching, func(x *worker) bool { return x == w })
	h.listening = slices.DeleteFunc(h.listening, func(x *worker) bool { return x == w })
	h.release(w)
}

// release frees what a worker holds of the system.
func (h *Hub) release(w *worker) {
	w.stopWatch()
	if w.ledger != nil {
		_ = w.ledger.Release()
		w.ledger = nil
	}
	if w.own != nil {
		h.unwatch(w.own)
		w.own = nil
	}
}

// reach connects to a worker's own socket. The worker is accepted when the
// socket's probe arrives.
func (h *Hub) reach(w *worker) error {
	e, err := endpoint.Parse(w.reg.Endpoint)
	if err != nil {
		return err
	}
	if err := endpoint.CheckInsecure(e, h.cfg.Insecure); err != nil {
		return err
	}
	s, err := h.out.Connect(e)
	if err != nil {
		return err
	}
	own := newInlet(s)
	if err = h.watch(own); err != nil {
		_ = s.Close(0)
		return err
	}
	w.own = own
	w.reachBy = h.now.Add(reachTimeout)
	h.reaching = append(h.reaching, w)
	h.listening = append(h.listening, w)
	return nil
}

// connect makes a socket that connects to a worker's own one.
func (h *Hub) connect(e endpoint.Endpoint) (Socket, error) {
	s, err := zmqnet.NewDealer(zmqnet.Options{
		MaxMessage: h.cfg.MaxMessage, SendHWM: queueLength, RecvHWM: queueLength,
		HeartbeatInterval: h.cfg.Dispatch.Heartbeat,
	})
	if err != nil {
		return nil, err
	}
	if err := s.Connect(e.String()); err != nil {
		_ = s.Close(0)
		return nil, err
	}
	return s, nil
}

// fromOwnSocket handles h.msg, which came from a worker's own socket.
func (h *Hub) fromOwnSocket(w *worker) {
	if h.msg.IsProbe() {
		if w.id != 0 { // jobs may be lost with the connection before
			h.loseWorker(w, "own socket connected again")
			return
		}
		h.reaching = slices.DeleteFunc(h.reaching, func(x *worker) bool { return x == w })
		h.accept(w)
		return
	}
	head, fields, err := protocol.ParseHeader(h.msg.Frames[0])
	if err != nil || head.Role != protocol.RoleWorker || head.Frames(protocol.ToMaster) != len(h.msg.Frames) {
		h.malformed(fmt.Errorf("%w: from a worker's own socket", protocol.ErrMalformed))
		return
	}
	if w.id != 0 {
		h.fromWorker(w, head.Command, fields)
	}
}

// giveUpReaching refuses workers whose own sockets could not be reached in time.
func (h *Hub) giveUpReaching() {
	for len(h.reaching) > 0 && h.reaching[0].reachBy <= h.now {
		w := h.reaching[0]
		h.scratch = protocol.PeerError{
			Code: protocol.CodeRefused,
			Text: fmt.Sprintf("cannot reach your own socket %s within %v", w.reg.Endpoint, reachTimeout),
		}.Append(h.scratch[:0], protocol.RoleWorker)
		h.counters.refused++
		if h.notify(&w.peer, h.scratch) {
			h.loseWorker(w, "own socket not reached")
		}
	}
}
