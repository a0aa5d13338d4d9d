// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"fmt"
	"time"
	"unsafe"

	"github.com/powerhose/powerhose/internal/call"
	"github.com/powerhose/powerhose/internal/dispatch"
	"github.com/powerhose/powerhose/protocol"
)

// perform carries out the core's actions, and what follows from them: a message
// that cannot be sent is an event, which may give more actions.
func (h *Hub) perform() {
	for {
		for i := 0; i < len(h.actions); i++ {
			h.performOne(&h.actions[i])
		}
		clear(h.actions) // they hold payloads
		h.actions = h.actions[:0]
		for i := 0; i < len(h.dirty); i++ {
			p := h.dirty[i]
			p.listed = false
			h.flush(p)
		}
		h.dirty = h.dirty[:0]
		if len(h.actions) == 0 {
			return
		}
	}
}

// performOne must not keep a: h.actions may be moved while it runs.
func (h *Hub) performOne(a *dispatch.Action) {
	switch a.Kind {
	case dispatch.ActionReply:
		h.reply(a)
	case dispatch.ActionAssign:
		if w := h.byWorkerID[a.Worker]; w != nil {
			h.assign(w, a)
		}
	case dispatch.ActionCancel:
		h.refer(a, protocol.CommandCancel)
	case dispatch.ActionRecall:
		h.refer(a, protocol.CommandRecall)
	case dispatch.ActionPing:
		if w := h.byWorkerID[a.Worker]; w != nil {
			h.ping(w)
		}
	case dispatch.ActionBye:
		if w := h.byWorkerID[a.Worker]; w != nil {
			h.bye(w)
		}
	case dispatch.ActionEvict:
		if w := h.byWorkerID[a.Worker]; w != nil {
			h.loseWorker(w, a.Reason.String())
		}
	case dispatch.ActionDropRunner:
		if r := h.byRunnerID[a.Runner]; r != nil {
			h.forgetRunner(r, "silent")
		}
	case dispatch.ActionDrained:
		h.drained, h.leaveBy = true, h.now.Add(farewell)
	}
}

func (h *Hub) assign(w *worker, a *dispatch.Action) {
	job := protocol.WorkerJob{
		ID: uint64(a.Job), Attempt: a.Attempt, TimeLeft: a.Deadline.Sub(h.now),
		Service: bytesOf(a.Service), Headers: a.Headers,
	}
	payload := a.Payload
	if h.outbox(&w.peer, len(payload)+len(a.Headers)) {
		box, err := job.AppendRecord(w.box, payload)
		if err != nil {
			h.fail(err) // submit checked service and headers
			return
		}
		w.box = box
		w.boxed++
		return
	}
	header, err := job.Append(h.scratch[:0])
	if err != nil {
		h.fail(err)
		return
	}
	h.scratch = header
	if h.send(&w.peer, header, payload, 2) {
		w.sent++
	}
}

func (h *Hub) refer(a *dispatch.Action, cmd protocol.Command) {
	w := h.byWorkerID[a.Worker]
	if w == nil {
		return
	}
	h.scratch = protocol.JobRef{ID: uint64(a.Job), Attempt: a.Attempt}.Append(h.scratch[:0], cmd)
	h.send(&w.peer, h.scratch, nil, 1)
}

// ping finds out whether a busy worker is still connected.
func (h *Hub) ping(w *worker) {
	h.scratch = protocol.AppendPing(h.scratch[:0], protocol.RoleWorker)
	h.notify(&w.peer, h.scratch)
}

// bye lets a drained worker go.
func (h *Hub) bye(w *worker) {
	h.scratch = protocol.AppendBye(h.scratch[:0], protocol.RoleWorker)
	if h.notify(&w.peer, h.scratch) {
		h.log.Info("worker drained", "worker", w.reg.Identity, "pid", w.reg.PID)
		h.forgetWorker(w)
	}
}

func (h *Hub) reply(a *dispatch.Action) {
	if c, ok := a.Ref.(*call.Call); ok {
		c.Outcome, c.MayHaveRun, c.RetryAfter = outcomeOf[a.Outcome], a.MayHaveRun, a.RetryAfter
		c.Result = a.Payload
		c.Answer()
		return
	}
	r := h.byRunnerID[a.Runner]
	if r == nil {
		return
	}
	h.answer(r, protocol.RunnerResult{
		ID: a.Tag, Outcome: outcomeOf[a.Outcome], MayHaveRun: a.MayHaveRun, RetryAfter: a.RetryAfter,
	}, a.Payload)
}

// answer sends a runner the result of its job.
func (h *Hub) answer(r *runner, res protocol.RunnerResult, payload []byte) {
	if h.outbox(&r.peer, len(payload)) {
		box, err := res.AppendRecord(r.box, payload)
		if err != nil {
			h.fail(err)
			return
		}
		r.box = box
		r.boxed++
		return
	}
	h.scratch = res.Append(h.scratch[:0])
	h.send(&r.peer, h.scratch, payload, 2)
}

// outcomeOf translates the core's outcomes to the wire's.
var outcomeOf = [...]protocol.Outcome{
	dispatch.OutcomeOK:              protocol.OutcomeOK,
	dispatch.OutcomeJobError:        protocol.OutcomeJobError,
	dispatch.OutcomeNoWorker:        protocol.OutcomeNoWorker,
	dispatch.OutcomeBusy:            protocol.OutcomeBusy,
	dispatch.OutcomeTimedOutWaiting: protocol.OutcomeTimedOutWaiting,
	dispatch.OutcomeTimedOutRunning: protocol.OutcomeTimedOutRunning,
	dispatch.OutcomeWorkerLost:      protocol.OutcomeWorkerLost,
	dispatch.OutcomeCancelled:       protocol.OutcomeCancelled,
	dispatch.OutcomeRefused:         protocol.OutcomeRefused,
	dispatch.OutcomeClosed:          protocol.OutcomeClosed,
}

// submit takes a job of this process.
func (h *Hub) submit(c *call.Call) {
	if outcome, err := h.checkJob(c); err != nil {
		c.Outcome, c.Result = outcome, []byte(err.Error())
		c.Answer()
		return
	}
	deadline := h.at(c.Deadline)
	h.step(&dispatch.Event{
		Kind: dispatch.EventSubmit, Runner: localRunner, Tag: c.Tag, Ref: c,
		Service: c.Service, Deadline: deadline, StartBy: h.startBy(deadline, c.Wait), Retries: c.Retries,
		Headers: c.Headers, Payload: c.Payload,
	})
}

// checkJob returns why a job of this process cannot be sent to any worker.
func (h *Hub) checkJob(c *call.Call) (protocol.Outcome, error) {
	if err := protocol.CheckService(c.Service); err != nil {
		return protocol.OutcomeRefused, err
	}
	if err := protocol.Headers(c.Headers).Check(); err != nil {
		return protocol.OutcomeTooLarge, err
	}
	if int64(len(c.Payload)) > h.cfg.MaxMessage {
		return protocol.OutcomeTooLarge, fmt.Errorf("payload has %d bytes, the largest message is %d", len(c.Payload), h.cfg.MaxMessage)
	}
	return protocol.OutcomeOK, nil
}

// startBy is until when a job may wait for a worker.
func (h *Hub) startBy(deadline dispatch.Time, wait time.Duration) dispatch.Time {
	if wait < 0 {
		return deadline
	}
	return min(deadline, h.now.Add(wait))
}

// bytesOf returns the bytes of s without a copy. They are only read.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
