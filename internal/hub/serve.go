// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/powerhose/powerhose/internal/dispatch"
	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// farewell is how long a drained master waits for its runners to leave. What a
// runner has not read when the connection ends is lost (its DEALER has
// IMMEDIATE set), so they go first: each says BYE once it has all its results.
const farewell = time.Second

// errStopped is what Status returns when there is no hub any more.
var errStopped = errors.New("the master has stopped")

// inbox takes tasks from other goroutines while Serve waits for sockets.
type inbox struct {
	mu     sync.Mutex
	tasks  []task // guarded by mu
	closed bool   // guarded by mu
}

// Serve runs the hub until ctx is cancelled and it has drained, at most drain
// long, or until it fails. It calls ready once it serves. It frees everything
// before it returns.
func (h *Hub) Serve(ctx context.Context, drain time.Duration, ready func()) error {
	// Waiting blocks the thread anyhow; keeping it saves a few microseconds for
	// each wake-up.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	signals, err := zmqnet.NewSignals()
	if err != nil {
		h.close(0)
		return err
	}
	defer signals.Close()
	var in inbox
	h.post = func(t task) bool { return in.add(t, signals) }
	h.watch = func(in *inlet) error { return signals.Add(in.Socket.(*zmqnet.Socket), &in.news) }
	h.unwatch = func(in *inlet) { signals.Remove(&in.news); _ = in.Close(0) }
	h.inlets(func(in *inlet) { err = errors.Join(err, h.watch(in)) })
	if err != nil {
		h.close(0)
		return err
	}
	stop := context.AfterFunc(ctx, func() {
		h.post(task{kind: taskDo, do: func() { h.beginDrain(drain) }})
	})
	defer stop()
	hear := func() error { return signals.Wait(0) }
	ready()
	for {
		h.turns(&in, hear)
		if h.finished() {
			break
		}
		if err := signals.Wait(h.wait()); err != nil {
			h.fail(err)
		}
	}
	in.close()
	h.dismissWorkers()
	h.close(farewell)
	return h.failed
}

// turns does what there is to do. To hear is to find out which sockets have news,
// which waiting does too: so a socket that is never found empty must not keep the
// hub from it for long, or it would not notice the others.
func (h *Hub) turns(in *inbox, hear func() error) {
	for n := 1; h.turn(in.take()); n++ { // the first one looks at every socket
		if n%turnsUnheard == 0 {
			if err := hear(); err != nil {
				h.fail(err)
			}
		}
	}
}

// turnsUnheard is how many turns that lead to another one go by unheard: hearing
// is a system call.
const turnsUnheard = 4

// finished reports whether there is nothing left to serve.
func (h *Hub) finished() bool {
	if h.failed != nil {
		return true
	}
	return h.drained && (len(h.runners) == 0 || h.clock() >= h.leaveBy)
}

// dismissWorkers tells the workers that this master ends, so that they
// look for the next one at once.
func (h *Hub) dismissWorkers() {
	h.scratch = protocol.AppendBye(h.scratch[:0], protocol.RoleWorker)
	for _, conn := range slices.Sorted(maps.Keys(h.workers)) {
		// Whether it arrives does not matter: silence says the same.
		_ = h.back.SendTo1(conn, h.scratch)
	}
}

// wait is how long nothing needs to be done if nothing happens.
func (h *Hub) wait() time.Duration {
	next := h.next()
	if h.drained {
		next = min(next, h.leaveBy)
	}
	if next == dispatch.Never {
		return -1
	}
	return max(0, next.Sub(h.clock()))
}

// beginDrain takes nothing new, and gives what runs that long.
func (h *Hub) beginDrain(within time.Duration) {
	if h.draining {
		return
	}
	h.draining = true
	h.log.Info("draining", "within", within)
	for _, conn := range slices.Sorted(maps.Keys(h.runners)) { // never in the order of a map
		h.sendDrain(h.runners[conn])
	}
	h.step(&dispatch.Event{Kind: dispatch.EventDrain, Deadline: h.now.Add(within)})
}

// Status returns a snapshot. It may be called from any goroutine.
func (h *Hub) Status(ctx context.Context) (protocol.MasterStatus, error) {
	got := make(chan protocol.MasterStatus, 1)
	if !h.post(task{kind: taskDo, do: func() { got <- h.status() }}) {
		return protocol.MasterStatus{}, errStopped
	}
	select {
	case s := <-got:
		return s, nil
	case <-ctx.Done():
		return protocol.MasterStatus{}, ctx.Err()
	}
}

func (in *inbox) add(t task, g *zmqnet.Signals) bool {
	in.mu.Lock()
	if in.closed {
		in.mu.Unlock()
		return false
	}
	in.tasks = append(in.tasks, t)
	in.mu.Unlock()
	g.Wake()
	return true
}

func (in *inbox) take() []task {
	in.mu.Lock()
	defer in.mu.Unlock()
	tasks := in.tasks
	in.tasks = nil
	return tasks
}

func (in *inbox) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
}
