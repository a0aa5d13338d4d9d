// SPDX-License-Identifier: Apache-2.0

package zmqnet

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Signals lets one goroutine, which owns all its sockets, wait until libzmq has
// news for any of them. It blocks an operating system thread.
//
// Unlike a Poller it does not ask the sockets themselves, which costs two system
// calls for each before the wait and as many after it. So the rule of edges
// holds, see the package comment: a socket that was used since it was last found
// empty must be found empty again before Wait.
//
// Only Wake may be called from other goroutines.
type Signals struct {
	fds  []unix.PollFd  // the first is where Wake is heard
	news []*atomic.Bool // of the socket at the same place in fds, nil for the first

	// pending is true from the Wake that writes until Wait has read it, so that
	// there is at most one octet in the pipe.
	pending atomic.Bool

	mu     sync.Mutex // guards wakeFD against Close
	wakeFD int        // -1 once closed
}

// NewSignals creates Signals without sockets.
func NewSignals() (*Signals, error) {
	var p [2]int
	if err := pipe(&p); err != nil {
		return nil, fmt.Errorf("zmqnet: a pipe to be woken through: %w", err)
	}
	return &Signals{
		fds: []unix.PollFd{{Fd: int32(p[0]), Events: unix.POLLIN}}, news: []*atomic.Bool{nil}, wakeFD: p[1],
	}, nil
}

// Add has Wait set news when libzmq signals the socket. It must be removed
// before it is closed.
func (g *Signals) Add(s *Socket, news *atomic.Bool) error {
	s.guard.enter()
	defer s.guard.leave()
	if s.dead != nil {
		return s.dead
	}
	fd, err := s.z.GetFd()
	if err != nil {
		return translate("socket option FD", err)
	}
	g.fds = append(g.fds, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	g.news = append(g.news, news)
	return nil
}

// Remove undoes the Add with that news. It does nothing if there was none.
func (g *Signals) Remove(news *atomic.Bool) {
	for i := 1; i < len(g.news); i++ {
		if g.news[i] == news {
			last := len(g.news) - 1
			g.fds[i], g.news[i] = g.fds[last], g.news[last]
			g.news[last] = nil
			g.fds, g.news = g.fds[:last], g.news[:last]
			return
		}
	}
}

// Wait returns when libzmq has signalled a socket, Wake was called, or the
// timeout is over (negative means never). It may also return for no reason.
func (g *Signals) Wait(timeout time.Duration) error {
	if g.fds[0].Fd < 0 {
		return ErrClosed
	}
	n, err := poll(g.fds, timeout)
	if errors.Is(err, unix.EINTR) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("zmqnet: poll: %w", err)
	}
	for i := 0; n > 0 && i < len(g.fds); i++ {
		if g.fds[i].Revents == 0 {
			continue
		}
		n--
		if i > 0 {
			g.news[i].Store(true)
			continue
		}
		// First read, then allow the next octet: the other way round it could be
		// read here, and pending without an octet would silence Wake for ever.
		var octet [1]byte
		_, _ = unix.Read(int(g.fds[0].Fd), octet[:])
		g.pending.Store(false)
	}
	return nil
}

// Wake makes the Wait in progress, or else the next one, return. It may be
// called from any goroutine, also after Close. What the caller published before
// is visible to the owner after Wait; many calls cost one octet.
func (g *Signals) Wake() {
	if g.pending.Swap(true) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.wakeFD >= 0 {
		_, _ = unix.Write(g.wakeFD, wakeMessage) // there is room: it is the only octet
	}
}

// Close frees what is its own. Only the owner may call it, not during Wait.
// Closing twice is harmless.
func (g *Signals) Close() {
	if g.fds[0].Fd < 0 {
		return
	}
	_ = unix.Close(int(g.fds[0].Fd))
	g.fds[0].Fd = -1
	g.mu.Lock()
	defer g.mu.Unlock()
	_ = unix.Close(g.wakeFD)
	g.wakeFD = -1
}
