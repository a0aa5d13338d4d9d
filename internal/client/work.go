// SPDX-License-Identifier: Apache-2.0

package client

import (
	"math"
	"time"

	"github.com/powerhose/powerhose/internal/combine"
	"github.com/powerhose/powerhose/internal/session"
)

const never time.Duration = math.MaxInt64

type taskKind uint8

const (
	taskSubmit taskKind = iota + 1 // node
	taskCancel                     // node
	taskQuery                      // query
	taskForget                     // query: whoever asked has gone
	taskGone                       // link, registration: the master's process has ended
	taskDo                         // do
	taskClose
)

// task is what somebody wants done.
type task struct {
	kind         taskKind
	node         *node
	link         *link
	registration uint64
	query        *query
	do           func()
	led          bool // of taskSubmit: whoever submits looks at the socket himself, see Lead
}

// work does one round. The queue calls it, never twice at once. The sockets'
// signals are edges, so it must not leave without having seen each socket that
// it touched, or that has news, not readable: see zmqnet. A lone caller who leads
// does that himself, later.
func (c *Client) work(tasks []task) (again bool) {
	c.now = time.Since(c.epoch)
	if c.armed <= c.now {
		c.armed = never // it has fired, or is about to for nothing
	}
	if at, ok := c.session.NextDeadline(); ok && at <= c.now {
		c.step(&session.RunnerEvent{Kind: session.RunnerTick})
	}
	for i := range tasks {
		c.apply(&tasks[i])
	}
	c.sendJobs()
	c.brief = c.callers.Lead()
	if deaf := len(tasks) == 1 && tasks[0].led; !deaf {
		again = c.listen()
	}
	c.queue.SetCrowded(c.calls >= combine.Crowd)
	// Deadlines are mostly met, so the timer is only ever moved to an earlier
	// moment; when it fires too early, this arms it again.
	if at, ok := c.session.NextDeadline(); ok && at < c.armed {
		c.armed = at
		c.timer.Reset(at - time.Since(c.epoch))
	}
	return again
}

// listen does what the masters sent, and what that leads to. It reports whether
// there is more to receive.
func (c *Client) listen() (more bool) {
	for _, l := range c.links {
		if l.signalled.Swap(false) {
			l.touched = true
			c.step(&session.RunnerEvent{Kind: session.RunnerWritable, Master: l.index})
		}
		if l.touched {
			c.receive(l)
		}
	}
	c.sendJobs() // what a master gave back, or what waited for one
	c.ask()
	for _, l := range c.links {
		if l.touched && !c.done() {
			more = c.readable(l) || more
		}
	}
	return more
}

// done reports whether nothing more is to be heard for now.
func (c *Client) done() bool { return c.brief && c.calls == 0 && len(c.queries) == 0 }

func (c *Client) apply(t *task) {
	switch t.kind {
	case taskSubmit:
		c.calls++
		j, cl := &t.node.RunnerJob, t.node.call
		j.PayloadSize = int64(len(cl.Payload))
		j.Size = j.PayloadSize + int64(len(cl.Headers)+len(cl.Service))
		j.Deadline = max(cl.Deadline.Sub(c.epoch), 0) // the zero time is far from us
		j.Wait, j.Retries = cl.Wait, cl.Retries
		c.step(&session.RunnerEvent{Kind: session.RunnerSubmit, Job: j})
	case taskCancel:
		c.step(&session.RunnerEvent{Kind: session.RunnerCancel, Job: &t.node.RunnerJob})
	case taskQuery:
		c.queries = append(c.queries, t.query)
		if c.closed {
			c.closeQueries()
		}
	case taskForget:
		c.forget(t.query)
	case taskGone:
		// What it answered before it ended counts.
		for l := t.link; l.registration == t.registration && c.receive(l); {
		}
		c.step(&session.RunnerEvent{Kind: session.RunnerGone, Master: t.link.index, Registration: t.registration})
	case taskDo:
		t.do()
	case taskClose:
		c.closed = true
		c.step(&session.RunnerEvent{Kind: session.RunnerClose})
		c.closeQueries()
	}
}

// step tells the session what happened and does what it says. An action may
// fail, which is an event of its own: what it leads to is done after the rest.
func (c *Client) step(ev *session.RunnerEvent) {
	c.out = c.session.Step(c.now, ev, c.out)
	if c.busy {
		return
	}
	c.busy = true
	for i := 0; i < len(c.out); i++ {
		c.perform(&c.out[i])
	}
	c.busy, c.out = false, c.out[:0]
}

func (c *Client) perform(a *session.RunnerAction) {
	l := c.links[a.Master]
	switch a.Kind {
	case session.RunnerAnswer:
		c.calls--
		answer(a.Job)
	case session.RunnerConnect:
		c.connect(l)
	case session.RunnerDisconnect:
		c.disconnect(l)
	case session.RunnerSendRegister:
		c.control(l, c.register)
	case session.RunnerSendPing:
		c.control(l, pingFrame)
	case session.RunnerSendPong:
		c.control(l, pongFrame)
	case session.RunnerSendBye:
		c.unask(l)
		c.control(l, byeFrame)
	case session.RunnerSendCancel:
		c.sendCancel(l, a.ID)
	case session.RunnerUp:
		c.up(l, a.Registration, *a.Welcome)
	case session.RunnerDown:
		c.down(l, a.Reason, a.Err)
	}
}

// answer gives the answer to the caller. The call may be used again at once.
func answer(j *session.RunnerJob) {
	cl := j.Ref.(*node).call
	cl.Outcome, cl.MayHaveRun, cl.MasterLost = j.Outcome, j.MayHaveRun, j.MasterLost
	cl.RetryAfter, cl.Result = j.RetryAfter, j.Payload
	j.Payload = nil
	cl.Answer()
}
