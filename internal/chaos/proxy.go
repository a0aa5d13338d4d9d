// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"errors"
	"net"
	"sync"
	"time"
)

// link is what a proxy does to the traffic of its one process.
type link struct {
	up, down bool          // octets to the master, and from it, are held back
	delay    time.Duration // of each piece, either way
}

// proxy stands between one process and a master's tcp endpoint.
type proxy struct {
	listener net.Listener
	target   string
	ending   chan struct{}
	all      sync.WaitGroup

	mu      sync.Mutex // guards what follows
	link    link
	changed chan struct{} // closed when link changes
	conns   map[net.Conn]struct{}
}

func newProxy(target string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{
		listener: l, target: target, ending: make(chan struct{}),
		changed: make(chan struct{}), conns: map[net.Conn]struct{}{},
	}
	p.all.Go(p.accept)
	return p, nil
}

func (p *proxy) endpoint() string { return "tcp://" + p.listener.Addr().String() }

func (p *proxy) close() {
	close(p.ending)
	_ = p.listener.Close()
	p.reset()
	p.all.Wait()
}

// set changes what happens to the traffic from now on.
func (p *proxy) set(l link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.link = l
	close(p.changed)
	p.changed = make(chan struct{})
}

// reset ends all connections as a firewall does that has forgotten them.
func (p *proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		abort(c)
	}
}

func abort(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

func (p *proxy) keep(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = struct{}{}
}

func (p *proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	abort(c)
}

func (p *proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		p.all.Go(func() { p.serve(c) })
	}
}

// serve connects one connection through. Nothing of it gets anywhere while
// either direction is held back.
func (p *proxy) serve(c net.Conn) {
	p.keep(c)
	defer p.drop(c)
	if !p.pass(true) || !p.pass(false) {
		return
	}
	m, err := net.DialTimeout("tcp", p.target, time.Second)
	if err != nil {
		return
	}
	p.keep(m)
	defer p.drop(m)
	var both sync.WaitGroup
	both.Go(func() { p.forward(c, m, true) })
	both.Go(func() { p.forward(m, c, false) })
	both.Wait()
}

// pass waits until the direction is open, and reports false at the end.
func (p *proxy) pass(up bool) bool {
	for {
		p.mu.Lock()
		held, changed := p.link.down, p.changed
		if up {
			held = p.link.up
		}
		p.mu.Unlock()
		if !held {
			return true
		}
		select {
		case <-changed:
		case <-p.ending:
			return false
		}
	}
}

func (p *proxy) delay() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.link.delay
}

type piece struct {
	octets []byte
	due    time.Time
}

// forward copies one direction. What was read before the direction was closed
// may arrive after it was opened again, as with TCP on a network that came back.
func (p *proxy) forward(from, to net.Conn, up bool) {
	defer p.drop(from)
	defer p.drop(to)
	pieces := make(chan piece, 256)
	var writing sync.WaitGroup
	writing.Go(func() {
		failed := false
		for x := range pieces {
			time.Sleep(time.Until(x.due))
			if failed || !p.pass(up) {
				continue
			}
			if _, err := to.Write(x.octets); err != nil {
				failed = true
				p.drop(from)
			}
		}
	})
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			pieces <- piece{append([]byte(nil), buf[:n]...), time.Now().Add(p.delay())}
		}
		if err != nil || !p.pass(up) {
			break
		}
	}
	close(pieces)
	writing.Wait()
}
