// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// dealer is a DEALER with IMMEDIATE set, which libzmq connects again and again.
type dealer struct {
	p        *process
	endpoint string
	hwm      int
	beats    time.Duration
	conn     *conn // nil while there is none
	trying   bool
	pause    time.Duration // before the next attempt
	due      time.Duration // of the next attempt
	made     int           // connections so far
	latest   []message     // sent over this connection after REGISTER
	again    []message     // to be repeated over the next one
	closed   bool
	news     func(bool) // see router
}

// The first pause before a DEALER connects again, to which up to as much is
// added, and the longest.
const (
	reconnectFirst = 20 * time.Millisecond
	reconnectMost  = time.Second
)

func (p *process) newDealer(endpoint string, hwm int, beats time.Duration) *dealer {
	d := &dealer{p: p, endpoint: endpoint, hwm: hwm, beats: beats, due: never}
	p.dealers = append(p.dealers, d)
	return d
}

func (d *dealer) connect() {
	if d.trying {
		return // as in libzmq, a second connect to the same endpoint does nothing
	}
	d.trying, d.pause = true, reconnectFirst
	d.retry(d.p.rng.between(20*time.Microsecond, 500*time.Microsecond))
}

func (d *dealer) disconnect() {
	d.trying, d.due = false, never
	if d.conn != nil {
		d.conn.close(dealing, false)
	}
}

// retry makes an attempt d from now, if one is due at all.
func (d *dealer) retry(in time.Duration) {
	if d.trying && d.conn == nil && !d.p.dead {
		d.due = d.p.w.now + in
		d.p.w.queue.push(d.due, d, 0)
	}
}

func (d *dealer) happen(uint32) {
	w := d.p.w
	if d.due != w.now || !d.trying || d.conn != nil || d.p.dead || d.p.paused {
		w.ignored()
		return
	}
	d.due = never
	r := w.net.listeners[d.endpoint]
	if r == nil || r.p.paused || w.net.blocked(d.p.host, r.p.host) || w.net.blocked(r.p.host, d.p.host) {
		d.retry(d.pause + d.p.rng.between(0, d.pause))
		d.pause = min(2*d.pause, reconnectMost)
		return
	}
	d.pause = reconnectFirst
	w.note(nil, d.p.name, "connected to %s", r.p.name)
	d.conn = newConn(w, d, r)
	if d.made > 1 {
		w.saw(SightReconnected)
	}
	if r.has(d) {
		w.saw(SightTwice)
	}
	r.attach(d.conn)
	for _, m := range d.again {
		w.saw(SightRepeated)
		d.conn.side[dealing].out.put(m.first, m.more, m.two)
	}
	d.again = nil
}

// lost: the connection ended, and what was not read is gone with it.
func (d *dealer) lost(c *conn) {
	if d.conn != c {
		return
	}
	d.conn, d.latest = nil, d.latest[:0]
	d.p.w.note(nil, d.p.name, "connection to %s ended", c.side[routing].p.name)
	d.retry(d.pause + d.p.rng.between(0, d.pause))
	d.pause = min(2*d.pause, reconnectMost)
}

func (d *dealer) Recv(m *zmqnet.Message, _ func(string) bool) error {
	m.ID, m.Peer = "", zmqnet.PeerCred{}
	if d.closed {
		return zmqnet.ErrClosed
	}
	if d.conn == nil || d.conn.side[dealing].in.unread.len() == 0 {
		return zmqnet.ErrAgain
	}
	unpack(m, d.conn.side[dealing].in.unread.pop())
	return nil
}

func unpack(m *zmqnet.Message, got message) {
	m.Frames = append(m.Frames[:0], got.first)
	if got.two {
		m.Frames = append(m.Frames, got.more)
	}
}

func (d *dealer) send(first, more []byte, two bool) error {
	if d.closed {
		return zmqnet.ErrClosed
	}
	if d.conn == nil || !d.conn.side[dealing].out.put(first, more, two) {
		return zmqnet.ErrAgain
	}
	d.remember()
	if d.news != nil && d.p.rng.oneIn(4) {
		d.news(false)
	}
	return nil
}

// mostRepeated is how many messages FaultRepeat repeats at most.
const mostRepeated = 4

// remember keeps the message that was sent last, unless it is what a connection
// begins with: jobs without a registration are nothing to a master, and with one
// they are jobs.
func (d *dealer) remember() {
	flight := &d.conn.side[dealing].out.flight
	m := flight.items[len(flight.items)-1]
	if head, _, err := protocol.ParseHeader(m.first); err != nil || head.Command == protocol.CommandRegister {
		d.latest = d.latest[:0]
		return
	}
	if len(d.latest) == mostRepeated {
		d.latest = append(d.latest[:0], d.latest[1:]...)
	}
	d.latest = append(d.latest, m)
}

// repeat ends the connection, and has the next one begin with what was sent last.
func (d *dealer) repeat() {
	if d.conn == nil {
		return
	}
	if n := len(d.latest); n > 0 {
		d.again = slices.Clone(d.latest[d.p.rng.below(n):])
	}
	d.conn.close(d.p.rng.below(2), false)
}

func (d *dealer) Send1(a []byte) error                 { return d.send(a, nil, false) }
func (d *dealer) Send2(a, b []byte) error              { return d.send(a, b, true) }
func (d *dealer) SendTo1(string, []byte) error         { panic("sim: a DEALER has one peer") }
func (d *dealer) SendTo2(string, []byte, []byte) error { panic("sim: a DEALER has one peer") }

func (d *dealer) Close(linger time.Duration) error {
	d.trying, d.due, d.closed = false, never, true
	if d.conn != nil {
		d.conn.close(dealing, linger > 0)
	}
	for i, x := range d.p.dealers {
		if x == d {
			d.p.dealers = append(d.p.dealers[:i], d.p.dealers[i+1:]...)
			break
		}
	}
	return nil
}

// router is a ROUTER with MANDATORY and PROBE_ROUTER set.
type router struct {
	p        *process
	endpoint string
	hwm      int
	beats    time.Duration
	conns    map[string]*conn
	ready    []*conn // that have something to read, in no order that matters
	probes   []*conn // new ones, which get a probe when the owner looks
	lastID   uint32
	closed   bool
	identify func(c *conn) zmqnet.PeerCred

	// news, if set, is called with true when the socket has news, and with false
	// when a send has swallowed the signal that said so.
	news func(bool)

	// read and sent, if set, see what the owner receives and sends.
	read func(c *conn, first, more []byte)
	sent func(c *conn, first, more []byte)
}

func (p *process) newRouter(endpoint string, hwm int, beats time.Duration) *router {
	r := &router{p: p, endpoint: endpoint, hwm: hwm, beats: beats, conns: map[string]*conn{}}
	r.lastID = uint32(p.rng.next())
	p.w.net.listeners[endpoint] = r
	p.routers = append(p.routers, r)
	return r
}

func (r *router) unbind() {
	if r.p.w.net.listeners[r.endpoint] == r {
		delete(r.p.w.net.listeners, r.endpoint)
	}
}

// nextID makes up a routing id as libzmq does.
func (r *router) nextID() string {
	r.lastID++
	var id [5]byte
	binary.BigEndian.PutUint32(id[1:], r.lastID)
	return string(id[:])
}

// has tells whether a DEALER has a connection here that did not end yet.
func (r *router) has(d *dealer) bool {
	for _, c := range r.conns {
		if c.side[dealing].d == d && c != d.conn {
			return true
		}
	}
	return false
}

func (r *router) attach(c *conn) {
	r.conns[c.id] = c
	r.probes = append(r.probes, c)
	if r.news != nil {
		r.news(true)
	}
	r.p.kick()
}

// lost: sends find nobody any more. What has arrived stays.
func (r *router) lost(c *conn) { delete(r.conns, c.id) }

func (r *router) probe() {
	for _, c := range r.probes {
		if s := &c.side[routing]; s.open {
			s.out.put(nil, nil, false)
		}
	}
	r.probes = r.probes[:0]
}

func (r *router) Recv(m *zmqnet.Message, identify func(string) bool) error {
	if r.closed {
		return zmqnet.ErrClosed
	}
	if len(r.probes) > 0 {
		r.probe()
	}
	n := len(r.ready)
	if n == 0 {
		return zmqnet.ErrAgain
	}
	i := 0
	if n > 1 {
		i = r.p.rng.below(n)
	}
	c := r.ready[i]
	if n > 1 && r.overtakes(c) {
		r.p.w.saw(SightOvertaken)
	}
	unread := &c.side[routing].in.unread
	m.ID, m.Peer = c.id, zmqnet.PeerCred{}
	if identify != nil && identify(c.id) && r.identify != nil {
		m.Peer = r.identify(c)
	}
	unpack(m, unread.pop())
	if unread.len() == 0 {
		r.ready[i] = r.ready[n-1]
		r.ready[n-1] = nil
		r.ready = r.ready[:n-1]
	}
	if r.read != nil {
		r.read(c, m.Frames[0], second(m.Frames))
	}
	return nil
}

// overtakes tells whether what is first on c arrived later than on another one.
func (r *router) overtakes(c *conn) bool {
	for _, x := range r.ready {
		if x.side[routing].in.unread.first().at < c.side[routing].in.unread.first().at {
			return true
		}
	}
	return false
}

func second(frames [][]byte) []byte {
	if len(frames) > 1 {
		return frames[1]
	}
	return nil
}

func (r *router) send(id string, first, more []byte, two bool) error {
	if r.closed {
		return zmqnet.ErrClosed
	}
	c := r.conns[id]
	if c == nil {
		return zmqnet.ErrUnreachable
	}
	if !c.side[routing].out.put(first, more, two) {
		return zmqnet.ErrAgain
	}
	if r.sent != nil {
		r.sent(c, first, more)
	}
	if r.news != nil && r.p.rng.oneIn(4) {
		r.news(false)
	}
	return nil
}

func (r *router) SendTo1(id string, a []byte) error    { return r.send(id, a, nil, false) }
func (r *router) SendTo2(id string, a, b []byte) error { return r.send(id, a, b, true) }
func (r *router) Send1([]byte) error                   { panic("sim: a ROUTER needs to know whom") }
func (r *router) Send2([]byte, []byte) error           { panic("sim: a ROUTER needs to know whom") }

func (r *router) Close(linger time.Duration) error {
	r.unbind()
	r.closed = true
	for _, c := range slices.Clone(r.p.conns) {
		if s := &c.side[routing]; s.r == r && s.open {
			c.close(routing, linger > 0)
		}
	}
	r.ready = nil
	return nil
}
