// SPDX-License-Identifier: Apache-2.0

package client

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/powerhose/powerhose/internal/pidwatch"
	"github.com/powerhose/powerhose/internal/session"
	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// maxReceive is how many messages one master gets read before the others and
// the callers have their turn.
const maxReceive = 256

// link is the way to one master. All but signalled belongs to whoever is at
// work.
type link struct {
	index    int
	endpoint string
	path     string             // of its unix socket, "" for tcp
	ready    func() (stop bool) // the waiter's callback

	socket    *zmqnet.Socket // nil if it broke, until it is connected again
	waiter    *zmqnet.Waiter // nil until it is connected
	connected bool
	signalled atomic.Bool // libzmq has news
	touched   bool        // used since it was last seen not readable
	message   zmqnet.Message

	registration uint64 // the present or last one
	welcome      protocol.Welcome
	batch        int // records that the master takes in a message
	batchSize    int // octets
	watch        *pidwatch.Watch
	complained   bool   // about its messages, in this registration
	trouble      string // why it is down, for people
}

func (c *Client) connect(l *link) {
	var err error
	if l.socket == nil {
		l.socket, err = zmqnet.NewDealer(c.options)
	}
	if err == nil && l.waiter == nil {
		l.waiter, err = c.newWaiter(l)
	}
	if err == nil {
		l.touched = true
		err = l.socket.Connect(l.endpoint)
	}
	if err != nil {
		// The session finds that nobody answers, and tries again.
		c.log.Error("cannot connect to the master", "endpoint", l.endpoint, "error", err)
		return
	}
	l.connected = true
}

// newWaiter makes the link's waiter. Callers lead only where all answers come
// from.
func (c *Client) newWaiter(l *link) (*zmqnet.Waiter, error) {
	if len(c.links) > 1 {
		return zmqnet.NewWaiter(l.socket, nil, l.ready)
	}
	w, err := zmqnet.NewWaiter(l.socket, &c.callers, l.ready)
	if err == nil {
		c.waiter.Store(w)
	}
	return w, err
}

func (c *Client) disconnect(l *link) {
	if !l.connected {
		return
	}
	l.connected, l.touched = false, true
	if err := l.socket.Disconnect(l.endpoint); err != nil {
		c.log.Debug("disconnect from the master", "endpoint", l.endpoint, "error", err)
	}
}

// replace gives up a socket that failed; connect makes a new one. The old one
// is closed when its waiter has ended, which may be the very goroutine that is
// at work here.
func (c *Client) replace(l *link, err error) {
	socket, waiter := l.socket, l.waiter
	if socket == nil {
		return
	}
	c.log.Error("the socket to the master broke", "endpoint", l.endpoint, "error", err)
	l.socket, l.waiter, l.connected, l.touched = nil, nil, false, false
	c.ended.Go(func() {
		if waiter != nil {
			waiter.Stop()
		}
		_ = socket.Close(0)
	})
	c.step(&session.RunnerEvent{Kind: session.RunnerBroken, Master: l.index})
}

// up is called when a registration begins.
func (c *Client) up(l *link, registration uint64, w protocol.Welcome) {
	l.registration, l.welcome, l.complained, l.trouble = registration, w, false, ""
	l.batch, l.batchSize = w.Batch, int(min(batchSize, w.MaxMessage))
	c.log.Info("master up", "endpoint", l.endpoint, "master", w.Identity, "pid", w.PID, "host", w.Host, "version", w.Version)
	c.unwatch(l)
	c.watch(l)
}

// watch has the end of the master's process noticed at once, where that is
// possible. A pid that the master says is its own is no evidence, and the
// kernel's is that of whoever began to listen; if both are the same it is true.
func (c *Client) watch(l *link) {
	if l.path == "" || l.welcome.PID == 0 || l.welcome.PID != listenerPID(l.path) {
		return
	}
	registration := l.registration
	gone := func() { c.queue.Add(task{kind: taskGone, link: l, registration: registration}) }
	var err error
	if l.watch, err = pidwatch.Start(l.welcome.PID, gone); err != nil {
		l.watch = nil
		if errors.Is(err, os.ErrProcessDone) {
			gone()
		}
	}
}

// down is called when a registration ended, or there is none to be had.
func (c *Client) down(l *link, reason session.RunnerReason, err protocol.PeerError) {
	l.trouble = reason.String()
	if reason == session.RunnerRefused {
		l.trouble = fmt.Sprintf("refused: %v: %q", err.Code, err.Text)
	}
	if reason != session.RunnerDraining {
		c.unwatch(l)
		c.unask(l)
	}
	c.log.Warn("master down", "endpoint", l.endpoint, "reason", l.trouble)
}

// unwatch does not wait: the watch's own goroutine may be at work here.
func (c *Client) unwatch(l *link) {
	if l.watch != nil {
		l.watch.Cancel()
		l.watch = nil
	}
}

// readable reports whether there is more to receive.
func (c *Client) readable(l *link) bool {
	if l.socket == nil {
		l.touched = false
		return false
	}
	readable, err := l.socket.Readable()
	if err != nil {
		c.replace(l, err)
		return true
	}
	l.touched = readable
	return readable
}
