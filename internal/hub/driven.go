// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"fmt"
	"time"

	"github.com/powerhose/powerhose/internal/call"
	"github.com/powerhose/powerhose/internal/dispatch"
)

// Driven is a Hub whose driver is its owner, one turn after the other: the
// simulation. It does what Serve and Embedded do, without their goroutines. It
// is not safe for concurrent use.
type Driven struct {
	h     *Hub
	tasks []task
	tags  uint64
}

// NewDriven returns a Hub around sockets that are bound already. Wake is called
// when something was left for the next turn. Front is nil for a hub like an
// embedded one, whose only runner is its owner.
func NewDriven(cfg Config, out Outside, back, front Socket, wake func()) *Driven {
	d := &Driven{h: newHub(cfg.withDefaults())}
	h := d.h
	h.out, h.back = out, newInlet(back)
	if front != nil {
		h.front = newInlet(front)
	}
	h.post = func(t task) bool {
		d.tasks = append(d.tasks, t)
		wake()
		return true
	}
	h.watch = func(*inlet) error { return nil }
	h.unwatch = func(in *inlet) { _ = in.Close(0) }
	if front == nil {
		h.post(task{kind: taskDo, do: h.addLocal})
	}
	return d
}

// Signal says that a socket has news, or that a send has swallowed the signal
// which said so; see zmqnet. It does nothing if the hub does not have the socket
// any more.
func (d *Driven) Signal(s Socket, news bool) {
	d.h.inlets(func(in *inlet) {
		if in.Socket == s {
			in.news.Store(news)
		}
	})
}

// Turn does what there is to do now, and reports whether it must be called
// again at once.
func (d *Driven) Turn() (again bool) {
	tasks := d.tasks
	d.tasks = nil
	return d.h.turn(tasks)
}

// Next is when Turn is due although nothing happened.
func (d *Driven) Next() dispatch.Time {
	next := d.h.next()
	if d.h.drained {
		next = min(next, d.h.leaveBy)
	}
	return next
}

// Submit takes a job of its owner; moments in the call count from the zero
// Time. The answer is given during a turn.
func (d *Driven) Submit(c *call.Call) {
	d.tags++
	c.Tag = d.tags
	d.h.post(task{kind: taskSubmit, call: c})
}

// Cancel asks for an early answer.
func (d *Driven) Cancel(c *call.Call) { d.h.post(task{kind: taskCancel, tag: c.Tag}) }

// Drain takes nothing new and gives what runs that long.
func (d *Driven) Drain(within time.Duration) {
	d.h.post(task{kind: taskDo, do: func() { d.h.beginDrain(within) }})
}

// Finished reports whether there is nothing left to serve, after a Drain.
func (d *Driven) Finished() bool { return d.h.finished() }

// Close takes leave of the workers and frees everything.
func (d *Driven) Close() {
	d.h.dismissWorkers()
	d.h.close(farewell)
}

// Err is why it cannot go on, nil while it can.
func (d *Driven) Err() error { return d.h.failed }

// HasWorker and HasRunner tell whether a connection is registered.
func (d *Driven) HasWorker(conn string) bool { return d.h.workers[conn] != nil }

// HasRunner is documented at HasWorker.
func (d *Driven) HasRunner(conn string) bool { return d.h.runners[conn] != nil }

// Peers is how many workers and runners are registered, its owner not included.
func (d *Driven) Peers() (workers, runners int) { return len(d.h.workers), len(d.h.runners) }

// Stats is a snapshot of the core.
func (d *Driven) Stats() dispatch.Stats { return d.h.core.Stats() }

// Dropped is how many messages were dropped because they break the protocol.
func (d *Driven) Dropped() uint64 { return d.h.counters.malformed }

// Left returns what is still there that must not be when all peers have left
// and no job is under way; "" if nothing is.
func (d *Driven) Left() string {
	h := d.h
	s := h.core.Stats()
	for _, n := range []struct {
		what string
		n    int
	}{
		{"workers", len(h.workers)},
		{"identities of workers", len(h.byIdentity)},
		{"workers by id", len(h.byWorkerID)},
		{"workers to reach", len(h.reaching)},
		{"workers that listen", len(h.listening)},
		{"runners", len(h.runners)},
		{"runners by id", len(h.byRunnerID)},
		{"outboxes", len(h.dirty)},
		{"actions", len(h.actions)},
		{"tasks", len(d.tasks)},
		{"workers in the core", len(s.Workers)},
		{"services in the core", len(s.Services)},
		{"waiting jobs", s.Waiting},
		{"waiting bytes", int(s.WaitingBytes)},
		{"running jobs", s.Running},
		{"abandoned jobs", s.Abandoned},
	} {
		if n.n != 0 {
			return fmt.Sprintf("%d %s", n.n, n.what)
		}
	}
	if local := h.front == nil; s.Runners > 1 || (s.Runners == 1) != local {
		return fmt.Sprintf("%d runners in the core", s.Runners)
	}
	if at := h.core.NextDeadline(); at != dispatch.Never {
		return fmt.Sprintf("a timer at %v", time.Duration(at))
	}
	return ""
}
