// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/powerhose/powerhose/internal/call"
	"github.com/powerhose/powerhose/internal/combine"
	"github.com/powerhose/powerhose/internal/dispatch"
	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// Embedded is a Hub inside the process that submits the jobs. It is a
// call.Dispatcher: its methods may be called from any goroutine.
type Embedded struct {
	h      *Hub
	queue  *combine.Queue[task]
	waiter *zmqnet.Waiter
	timer  *time.Timer
	tags   atomic.Uint64

	callers zmqnet.Callers // that wait for answers

	// waiters of workers' own sockets. Only in turn.
	waiters map[*inlet]*zmqnet.Waiter
}

// Embed starts the hub in this process.
func (h *Hub) Embed() (*Embedded, error) {
	e := &Embedded{h: h, waiters: map[*inlet]*zmqnet.Waiter{}}
	e.queue = combine.New(e.turn)
	e.timer = time.AfterFunc(time.Hour, e.queue.Kick)
	e.timer.Stop()
	h.post = e.queue.Add
	h.watch = e.watch
	h.unwatch = e.unwatch
	h.post(task{kind: taskDo, do: h.addLocal})
	var err error
	if e.waiter, err = e.waiterOf(h.back, &e.callers); err != nil {
		e.queue.Close()
		h.close(0)
		return nil, err
	}
	return e, nil
}

// addLocal makes this process a runner.
func (h *Hub) addLocal() {
	h.step(&dispatch.Event{Kind: dispatch.EventRunnerUp, Runner: localRunner, Local: true})
}

// waiterOf waits for libzmq's signals. The owner of the queue, who may be another
// goroutine, looks at the socket before it leaves.
func (e *Embedded) waiterOf(in *inlet, callers *zmqnet.Callers) (*zmqnet.Waiter, error) {
	return zmqnet.NewWaiter(in.Socket.(*zmqnet.Socket), callers, func() (stop bool) {
		in.news.Store(true)
		e.queue.Kick()
		return false
	})
}

func (e *Embedded) turn(tasks []task) (again bool) {
	h := e.h
	h.deaf = len(tasks) == 1 && tasks[0].kind == taskSubmit && tasks[0].led
	h.brief = e.callers.Lead()
	again = h.turn(tasks)
	e.queue.SetCrowded(h.core.Jobs() >= combine.Crowd)
	if h.armed <= h.now {
		h.armed = dispatch.Never // it has fired, or is about to for nothing
	}
	// Deadlines are mostly met, so the timer is only ever moved to an earlier
	// moment; when it fires too early, this arms it again.
	if next := h.next(); next < h.armed {
		h.armed = next
		e.timer.Reset(next.Sub(h.now))
	}
	return again
}

// Submit implements call.Dispatcher.
func (e *Embedded) Submit(c *call.Call) {
	c.Tag, c.Callers = e.tags.Add(1), &e.callers
	c.Led = e.callers.Add()
	if !e.queue.Add(task{kind: taskSubmit, call: c, led: c.Led}) {
		c.Outcome = protocol.OutcomeClosed
		c.Answer()
	}
}

// Lead implements call.Dispatcher.
func (e *Embedded) Lead(ctx context.Context, c *call.Call) {
	if c.Led && !e.waiter.Lead(ctx, c.Sleep) {
		e.queue.Kick() // for the look that was left to us
	}
}

// Cancel implements call.Dispatcher.
func (e *Embedded) Cancel(c *call.Call) {
	e.queue.Add(task{kind: taskCancel, tag: c.Tag})
}

// Status implements call.Dispatcher.
func (e *Embedded) Status(timeout time.Duration) (protocol.MasterStatus, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return e.h.Status(ctx)
}

// Do runs f in turn, and waits for it. It reports false after Close.
func (e *Embedded) Do(f func()) bool {
	done := make(chan struct{})
	ok := e.queue.Add(task{kind: taskDo, do: func() { f(); close(done) }})
	if ok {
		<-done
	}
	return ok
}

// Drain takes nothing new and gives what runs that long.
func (e *Embedded) Drain(within time.Duration) {
	e.Do(func() { e.h.beginDrain(within) })
}

// Close answers every call, and frees everything.
func (e *Embedded) Close() error {
	e.Drain(0)
	e.Do(func() { e.h.now = e.h.clock(); e.h.step(&dispatch.Event{Kind: dispatch.EventTick}) })
	e.timer.Stop()
	e.queue.Close()
	e.waiter.Stop()
	e.h.close(0)
	return e.h.failed
}

func (e *Embedded) watch(in *inlet) error {
	w, err := e.waiterOf(in, nil)
	if err == nil {
		e.waiters[in] = w
	}
	return err
}

// unwatch closes the socket once its waiter has ended, which may be the very
// goroutine that is in turn.
func (e *Embedded) unwatch(in *inlet) {
	w := e.waiters[in]
	delete(e.waiters, in)
	e.h.background.Add(1)
	go func() {
		defer e.h.background.Done()
		w.Stop()
		_ = in.Close(0)
	}()
}
