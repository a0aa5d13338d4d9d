// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/powerhose/powerhose/internal/dispatch"
	"github.com/powerhose/powerhose/protocol"
)

// fromFrontend handles h.msg, a message of a runner.
func (h *Hub) fromFrontend() {
	if h.msg.IsProbe() {
		return
	}
	head, fields, ok := h.header(h.front, protocol.RoleRunner)
	if !ok {
		return
	}
	if head.Command == protocol.CommandRegister {
		h.registerRunner(fields)
		return
	}
	r := h.runners[h.msg.ID]
	if r == nil {
		h.stranger(h.front, head)
		return
	}
	h.fromRunner(r, head.Command, fields)
}

func (h *Hub) fromRunner(r *runner, cmd protocol.Command, fields []byte) {
	var err error
	switch cmd {
	case protocol.CommandJob:
		err = h.job(r, fields, h.msg.Frames[1])
	case protocol.CommandBatch:
		err = h.batch(fields, r.batch, func(cmd protocol.Command, fields, payload []byte) error {
			if cmd != protocol.CommandJob {
				return protocol.ErrMalformed
			}
			return h.job(r, fields, payload)
		})
	case protocol.CommandCancel:
		var id uint64
		if id, err = protocol.ParseRunnerCancel(fields); err == nil {
			h.step(&dispatch.Event{Kind: dispatch.EventCancel, Runner: r.id, Tag: id})
		}
	case protocol.CommandPing:
		if err = protocol.ParseEmpty(fields); err == nil {
			h.step(&dispatch.Event{Kind: dispatch.EventRunnerBeat, Runner: r.id})
			h.scratch = protocol.AppendPong(h.scratch[:0], protocol.RoleRunner)
			h.notify(&r.peer, h.scratch)
		}
	case protocol.CommandPong:
		if err = protocol.ParseEmpty(fields); err == nil {
			h.hasRead(r)
			h.step(&dispatch.Event{Kind: dispatch.EventRunnerBeat, Runner: r.id})
		}
	case protocol.CommandStatus:
		if err = protocol.ParseEmpty(fields); err == nil {
			h.sendStatus(r)
		}
	case protocol.CommandBye:
		if err = protocol.ParseEmpty(fields); err == nil {
			h.loseRunner(r, "left")
		}
	default:
		err = fmt.Errorf("%w: unexpected %s from a runner", protocol.ErrMalformed, cmd)
	}
	if err != nil {
		h.malformed(err)
	}
}

// job takes a job of a connected runner.
func (h *Hub) job(r *runner, fields, payload []byte) error {
	job, err := protocol.ParseRunnerJob(fields)
	if errors.Is(err, protocol.ErrTooLarge) {
		h.answer(r, protocol.RunnerResult{ID: job.ID, Outcome: protocol.OutcomeTooLarge}, []byte(err.Error()))
		return err
	}
	if err != nil {
		return err
	}
	deadline := h.now.Add(job.TimeLeft)
	h.step(&dispatch.Event{
		Kind: dispatch.EventSubmit, Runner: r.id, Tag: job.ID,
		Service: h.intern(job.Service), Deadline: deadline, StartBy: h.startBy(deadline, job.Wait),
		Retries: job.Retries, Headers: job.Headers, Payload: payload,
	})
	return nil
}

// registerRunner makes whoever sent h.msg a runner, anew if it was one already.
func (h *Hub) registerRunner(fields []byte) {
	reg, err := protocol.ParseRegistration(protocol.RoleRunner, fields)
	if err != nil {
		h.refusePeer(h.front, protocol.RoleRunner, protocol.CodeRefused, err.Error())
		return
	}
	conn, cred := strings.Clone(h.msg.ID), h.msg.Peer
	var unread reading
	if old := h.runners[conn]; old != nil {
		cred, unread = old.cred, old.reading // what was sent on this connection lies there still
		h.loseRunner(old, "registered again")
	}
	if len(h.runners) >= h.cfg.MaxRunners {
		h.refusePeer(h.front, protocol.RoleRunner, protocol.CodeRefused,
			fmt.Sprintf("this master has its %d runners already", h.cfg.MaxRunners))
		return
	}
	h.lastRunnerID++
	r := &runner{id: h.lastRunnerID, reg: reg, since: h.now, reading: unread}
	r.peer = peer{conn: conn, cred: cred, role: protocol.RoleRunner, runner: r, batch: max(1, min(reg.Batch, h.cfg.Batch))}
	welcome := h.welcome()
	if r.batch > 1 {
		welcome.Batch = r.batch
	}
	header, err := welcome.Append(h.scratch[:0], protocol.RoleRunner)
	if err != nil {
		h.fail(err)
		return
	}
	h.scratch = header
	h.runners[conn] = r
	h.byRunnerID[r.id] = r
	h.step(&dispatch.Event{Kind: dispatch.EventRunnerUp, Runner: r.id})
	h.log.Info("runner connected", "runner", reg.Identity, "pid", reg.PID, "host", reg.Host, "language", reg.Language)
	h.watchProcess(&r.peer, cred, func() { h.loseRunner(r, "its process ended") })
	if h.notify(&r.peer, header) && h.draining {
		h.sendDrain(r)
	}
}

// loseRunner forgets a runner; nobody waits for its jobs any more.
func (h *Hub) loseRunner(r *runner, why string) {
	if r.gone {
		return
	}
	h.forgetRunner(r, why)
	h.step(&dispatch.Event{Kind: dispatch.EventRunnerDown, Runner: r.id})
}

func (h *Hub) forgetRunner(r *runner, why string) {
	r.gone = true
	r.boxed = 0
	r.stopWatch()
	delete(h.runners, r.conn)
	delete(h.byRunnerID, r.id)
	h.log.Info("runner gone", "runner", r.reg.Identity, "pid", r.reg.PID, "reason", why)
}

func (h *Hub) sendDrain(r *runner) {
	h.scratch = protocol.AppendDrain(h.scratch[:0], protocol.RoleRunner)
	h.notify(&r.peer, h.scratch)
}

func (h *Hub) sendStatus(r *runner) {
	text, err := json.Marshal(h.status())
	if err != nil {
		h.log.Error("encode the status", "error", err)
		return
	}
	if int64(len(text)) > h.cfg.MaxMessage {
		h.scratch = protocol.PeerError{
			Code: protocol.CodeTooLarge,
			Text: fmt.Sprintf("the status has %d bytes, the largest message is %d", len(text), h.cfg.MaxMessage),
		}.Append(h.scratch[:0], protocol.RoleRunner)
		h.notify(&r.peer, h.scratch)
		return
	}
	h.scratch = protocol.AppendStatus(h.scratch[:0])
	h.send(&r.peer, h.scratch, text, 2)
}
