// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"errors"

	"github.com/powerhose/powerhose/internal/dispatch"
	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// peer is what workers and runners have in common: a connection, an outbox,
// and a process that can be watched if the kernel vouches for its pid.
type peer struct {
	conn  string // the connection, as the ROUTER names it
	role  protocol.Role
	batch int // records that go into one message, 1 for no batches
	cred  zmqnet.PeerCred
	watch Watch
	gone  bool // forgotten: whatever still refers to it must leave it alone

	// The outbox: a BATCH that grows during a turn.
	box    []byte
	boxed  int
	listed bool // in Hub.dirty

	worker *worker // one of these two is set
	runner *runner
}

type worker struct {
	peer
	id    dispatch.WorkerID // 0 until the core knows it
	reg   protocol.Registration
	since dispatch.Time
	// prefetch is how many jobs it is given beyond its capacity.
	prefetch int

	ledger Ledger // nil if it has none
	// sent is how many assignments were handed to its connection: what was
	// assigned after them cannot have started.
	sent int64

	// own is the connection to its own socket, in listen mode.
	own     *inlet
	reachBy dispatch.Time // while in Hub.reaching
}

type runner struct {
	peer
	id      dispatch.RunnerID
	reg     protocol.Registration
	since   dispatch.Time
	reading reading
}

func (p *peer) stopWatch() {
	if p.watch != nil {
		p.watch.Cancel()
		p.watch = nil
	}
}

// watchProcess has gone called, in turn, once the process of p has ended.
func (h *Hub) watchProcess(p *peer, cred zmqnet.PeerCred, gone func()) {
	if !cred.OK || cred.PID <= 0 {
		return
	}
	w, err := h.out.WatchProcess(cred.PID, func() { h.post(task{kind: taskDo, do: gone}) })
	if err != nil {
		// Heartbeats notice too, only later.
		h.log.Debug("cannot watch a peer's process", "pid", cred.PID, "error", err)
		return
	}
	p.watch = w
}

// send sends one message to a peer, after what is in its outbox. It reports
// whether the peer is still there.
func (h *Hub) send(p *peer, header, payload []byte, frames int) bool {
	if !h.flush(p) {
		return false
	}
	return h.write(p, header, payload, frames)
}

func (h *Hub) write(p *peer, header, payload []byte, frames int) bool {
	if p.gone {
		return false
	}
	var err error
	switch w := p.worker; {
	case w != nil && w.own != nil && w.id != 0:
		w.own.look = true
		if frames == 1 {
			err = w.own.Send1(header)
		} else {
			err = w.own.Send2(header, payload)
		}
		if err != nil {
			h.loseWorker(w, err.Error())
		}
		return err == nil
	default:
		err = h.writeTo(p.socket(h), p.conn, header, payload, frames)
	}
	return h.sentTo(p, len(header)+len(payload), err)
}

// notify sends a message of the registration connection, which is another one
// than that of the jobs for a worker with its own socket.
func (h *Hub) notify(p *peer, header []byte) bool {
	if !h.flush(p) {
		return false
	}
	return h.sentTo(p, len(header), h.writeTo(p.socket(h), p.conn, header, nil, 1))
}

func (h *Hub) writeTo(s *inlet, conn string, header, payload []byte, frames int) error {
	s.look = true
	if frames == 1 {
		return s.SendTo1(conn, header)
	}
	return s.SendTo2(conn, header, payload)
}

func (p *peer) socket(h *Hub) *inlet {
	if p.role == protocol.RoleRunner {
		return h.front
	}
	return h.back
}

// sentTo judges a peer by what became of a message of that size to it. A full
// queue is as bad as a missing connection: it cannot happen to a peer that keeps
// reading, and a peer that has died may look like that.
func (h *Hub) sentTo(p *peer, size int, err error) bool {
	switch {
	case err == nil:
		return p.runner == nil || h.wrote(p.runner, size)
	case errors.Is(err, zmqnet.ErrUnreachable), errors.Is(err, zmqnet.ErrAgain):
		h.lose(p, err.Error())
	case errors.Is(err, zmqnet.ErrTooLarge):
		// Nothing of it was sent. What comes from peers has the same limit, so
		// this would be a mistake of ours: the peer must not wait for ever.
		h.lose(p, err.Error())
	default:
		h.fail(err)
	}
	return false
}

func (h *Hub) lose(p *peer, why string) {
	if p.worker != nil {
		h.loseWorker(p.worker, why)
	} else {
		h.loseRunner(p.runner, why)
	}
}

// outbox returns p's growing BATCH if a record of that size fits into it.
func (h *Hub) outbox(p *peer, size int) bool {
	if p.batch < 2 || size > batchPayload {
		return false
	}
	if int64(len(p.box)+size+recordOverhead) > min(batchBytes, h.cfg.MaxMessage) || p.boxed >= p.batch {
		h.flush(p)
	}
	if !p.listed {
		p.listed = true
		h.dirty = append(h.dirty, p)
	}
	if p.boxed == 0 {
		p.box = protocol.AppendBatchHeader(p.box[:0], p.role)
	}
	return true
}

// flush sends p's outbox. It reports whether the peer is still there.
func (h *Hub) flush(p *peer) bool {
	if p.boxed == 0 {
		return !p.gone
	}
	n := p.boxed
	p.boxed = 0
	if !h.write(p, p.box, nil, 1) {
		return false
	}
	if p.worker != nil {
		p.worker.sent += int64(n)
	}
	return true
}

// stranger answers a message of a connection that is not registered.
func (h *Hub) stranger(s *inlet, head protocol.Header) {
	if head.Command == protocol.CommandBye {
		h.counters.unknown++
		return
	}
	h.refusePeer(s, head.Role, protocol.CodeUnregistered, "not registered here: register again")
}

// refusePeer answers a message of a peer that is not registered.
func (h *Hub) refusePeer(s *inlet, role protocol.Role, code protocol.ErrorCode, text string) {
	switch code {
	case protocol.CodeUnregistered:
		h.counters.unknown++
	default:
		h.counters.refused++
		h.log.Warn("refused a peer", "role", role, "reason", text)
	}
	s.look = true
	h.scratch = protocol.PeerError{Code: code, Text: text}.Append(h.scratch[:0], role)
	if err := s.SendTo1(h.msg.ID, h.scratch); err != nil &&
		!errors.Is(err, zmqnet.ErrAgain) && !errors.Is(err, zmqnet.ErrUnreachable) {
		h.fail(err)
	}
}
