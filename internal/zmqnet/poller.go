// SPDX-License-Identifier: Apache-2.0

package zmqnet

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// Poller lets one goroutine, which owns all its sockets, wait for any of them.
// The wait blocks an operating system thread, which is what makes it faster
// than netpoller goroutines for a process that only forwards.
//
// Only Wake may be called from other goroutines.
type Poller struct {
	z       *zmq.Poller
	sockets []*Socket // in the order of z, without the wake socket
	wakeIn  *zmq.Socket
	closed  bool

	// pending is true from the Wake that sends a message until Wait received it,
	// so that there is at most one.
	pending atomic.Bool

	mu      sync.Mutex // guards wakeOut
	wakeOut *zmq.Socket
}

var wakeNames atomic.Uint64

// NewPoller creates a Poller without sockets. It takes two libzmq sockets for
// itself.
func NewPoller() (*Poller, error) {
	in, err := newSocket(zmq.PAIR)
	if err != nil {
		return nil, err
	}
	out, err := newSocket(zmq.PAIR)
	if err != nil {
		_ = closeSocket(in)
		return nil, err
	}
	name := fmt.Sprintf("inproc://wake-%d", wakeNames.Add(1))
	err = in.Bind(name)
	if err == nil {
		err = out.Connect(name)
	}
	if err != nil {
		_ = closeSocket(in)
		_ = closeSocket(out)
		return nil, fmt.Errorf("zmqnet: wake socket: %w", err)
	}
	p := &Poller{z: zmq.NewPoller(), wakeIn: in, wakeOut: out}
	p.z.Add(in, zmq.POLLIN)
	return p, nil
}

// Add makes Wait return when the socket is readable. The socket must be removed
// before it is closed.
func (p *Poller) Add(s *Socket) {
	p.sockets = append(p.sockets, s)
	p.z.Add(s.z, zmq.POLLIN)
}

// Remove undoes Add. Removing a socket that was not added does nothing.
func (p *Poller) Remove(s *Socket) {
	for i, have := range p.sockets {
		if have == s {
			p.sockets = append(p.sockets[:i], p.sockets[i+1:]...)
			_ = p.z.RemoveBySocket(s.z)
			return
		}
	}
}

// Wait returns when a socket is readable, Wake was called, or the timeout is
// over: negative means never, others are rounded up to whole milliseconds, since
// cut down they would make the owner spin. It does not tell which: try each
// socket until ErrAgain. (A signal that interrupts the wait makes libzmq's
// binding start it anew, so a rare one is longer.)
func (p *Poller) Wait(timeout time.Duration) error {
	if p.closed {
		return ErrClosed
	}
	if timeout > 0 {
		timeout = roundUp(timeout)
	}
	for _, s := range p.sockets {
		s.guard.enter()
	}
	polled, err := p.z.PollAll(timeout)
	for _, s := range p.sockets {
		s.guard.leave()
	}
	if err != nil {
		return translate("poll", err)
	}
	if polled[0].Events&zmq.POLLIN != 0 {
		p.drainWake()
	}
	return nil
}

func roundUp(d time.Duration) time.Duration {
	if cut := d.Truncate(time.Millisecond); cut < d {
		return cut + time.Millisecond
	}
	return d
}

// drainWake receives one message and lets the next Wake send one. It takes no
// more than one, and only a received one clears pending: pending without a
// message in the queue or on its way would silence Wake for ever.
func (p *Poller) drainWake() {
	if _, err := p.wakeIn.RecvBytes(zmq.DONTWAIT); err == nil {
		p.pending.Store(false)
	}
}

// Wake makes the Wait in progress, or else the next one, return. It may be
// called from any goroutine, also after Close. What the caller published before
// is visible to the owner after Wait; many calls cost one message.
func (p *Poller) Wake() {
	if p.pending.Swap(true) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wakeOut == nil {
		return
	}
	if _, err := p.wakeOut.SendBytes(wakeMessage, zmq.DONTWAIT); err != nil {
		p.pending.Store(false)
	}
}

var wakeMessage = []byte{0}

// Close frees the Poller's own sockets, not those that were added. Only the
// owner may call it, not during Wait. Closing twice is harmless.
func (p *Poller) Close() error {
	if p.closed {
		return nil
	}
	p.closed = true
	p.mu.Lock()
	out := p.wakeOut
	p.wakeOut = nil
	p.mu.Unlock()
	err := closeSocket(out)
	if ierr := closeSocket(p.wakeIn); err == nil {
		err = ierr
	}
	if err != nil {
		return translate("close", err)
	}
	return nil
}
