// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"strconv"
	"time"
)

// message is one or two frames on their way.
type message struct {
	at    time.Duration // of its arrival
	first []byte
	more  []byte // second frame
	two   bool
}

// fifo is a queue of messages.
type fifo struct {
	items []message
	head  int
}

func (f *fifo) len() int        { return len(f.items) - f.head }
func (f *fifo) first() *message { return &f.items[f.head] }

func (f *fifo) push(m message) {
	if f.head > 32 && f.head*2 > len(f.items) {
		n := copy(f.items, f.items[f.head:])
		clear(f.items[n:])
		f.items, f.head = f.items[:n], 0
	}
	f.items = append(f.items, m)
}

func (f *fifo) pop() message {
	m := f.items[f.head]
	f.items[f.head] = message{}
	f.head++
	if f.head == len(f.items) {
		f.items, f.head = f.items[:0], 0
	}
	return m
}

// cut drops all but the first n, and returns how many those were.
func (f *fifo) cut(n int) (dropped uint64) {
	dropped = uint64(f.len() - n)
	clear(f.items[f.head+n:])
	f.items = f.items[:f.head+n]
	return dropped
}

// conn is a connection between a DEALER and a ROUTER.
type conn struct {
	w     *world
	id    string // its routing id
	rng   random
	delay time.Duration // of a message, at the least
	side  [2]side
	gone  bool // neither side has it any more
}

const (
	dealing = 0 // the DEALER's side
	routing = 1 // the ROUTER's
)

// side is one end of a connection.
type side struct {
	c     *conn
	index int
	p     *process
	open  bool
	out   *pipe // from here
	in    *pipe // to here
	// beats: this side's libzmq asks whether the other is still there.
	beats time.Duration // after so long without an answer it closes; 0 for not at all
	d     *dealer       // one of these is set
	r     *router
}

func (c *conn) sideOf(p *process) *side {
	if c.side[dealing].p == p {
		return &c.side[dealing]
	}
	return &c.side[routing]
}

// pipe is one direction of a connection: in order, nothing lost but its end.
type pipe struct {
	from, to *side
	hwm      int
	full     bool
	flight   fifo
	unread   fifo
	last     time.Duration // of the arrival of the latest message
	due      time.Duration // of the scheduled arrival
	stuck    bool          // the sender stands still: what is in flight beyond left has not left it
	left     int
	eof      bool          // the sender has closed, and nothing follows what is in flight
	eofAt    time.Duration // when its end arrives
}

func newConn(w *world, d *dealer, r *router) *conn {
	w.net.serial++
	c := &conn{w: w, id: r.nextID(), rng: stream(w.script.Seed, "conn "+d.p.name+strconv.Itoa(d.made))}
	d.made++
	c.delay = w.script.Delay/2 + c.rng.between(0, w.script.Delay)
	a, b := &c.side[dealing], &c.side[routing]
	*a = side{c: c, index: dealing, p: d.p, open: true, beats: d.beats, d: d}
	*b = side{c: c, index: routing, p: r.p, open: true, beats: r.beats, r: r}
	forth := &pipe{from: a, to: b, hwm: min(d.hwm, r.hwm), due: never, eofAt: never}
	back := &pipe{from: b, to: a, hwm: min(d.hwm, r.hwm), due: never, eofAt: never}
	a.out, a.in, b.out, b.in = forth, back, back, forth
	d.p.conns = append(d.p.conns, c)
	r.p.conns = append(r.p.conns, c)
	w.net.conns = append(w.net.conns, c)
	return c
}

// What can happen to a pipe.
const (
	pipeArrival uint32 = iota
	pipeEnd
)

// put sends a message. It reports false when there is no room.
func (q *pipe) put(first, more []byte, two bool) bool {
	c := q.from.c
	n := q.flight.len() + q.unread.len()
	if q.full && n > q.hwm/2 {
		c.w.saw(SightFull)
		return false
	}
	q.full = n >= q.hwm
	if q.full {
		c.w.saw(SightFull)
		return false
	}
	at := c.w.now + q.from.p.spent + c.delay + c.rng.about(c.delay/2)
	if slow := c.w.net.slow(q.from.p.host, q.to.p.host); slow > 0 {
		at += c.rng.about(slow)
	}
	at = max(at, q.last)
	q.last = at
	m := message{at: at, first: c.w.bytes(first), two: two}
	if two {
		m.more = c.w.bytes(more)
	}
	q.flight.push(m)
	q.schedule()
	return true
}

// schedule has the first message in flight arrive, or the end.
func (q *pipe) schedule() {
	w := q.from.c.w
	if !q.to.open || w.net.blocked(q.from.p.host, q.to.p.host) {
		return
	}
	if q.flight.len() > 0 && (!q.stuck || q.left > 0) {
		if at := max(q.flight.first().at, w.now); at < q.due {
			q.due = at
			w.queue.push(at, q, pipeArrival)
		}
	} else if q.eof && !q.to.p.paused && q.eofAt == never {
		q.eofAt = w.now + q.from.c.rng.between(0, 200*time.Microsecond)
		w.queue.push(q.eofAt, q, pipeEnd)
	}
}

func (q *pipe) happen(what uint32) {
	w := q.from.c.w
	if what == pipeEnd {
		if q.eofAt != w.now || !q.to.open {
			w.ignored()
			return
		}
		q.eofAt = never
		if q.to.p.paused || w.net.blocked(q.from.p.host, q.to.p.host) {
			return
		}
		q.from.c.close(q.to.index, false)
		return
	}
	if q.due != w.now || !q.to.open {
		w.ignored()
		return
	}
	q.due = never
	if w.net.blocked(q.from.p.host, q.to.p.host) {
		return
	}
	q.arrive()
	q.schedule()
}

// arrive takes in what is there.
func (q *pipe) arrive() {
	w := q.from.c.w
	n := q.flight.len()
	if q.stuck {
		n = q.left
	}
	had := q.unread.len()
	for ; n > 0 && q.flight.first().at <= w.now; n-- {
		m := q.flight.pop()
		q.left--
		w.sum(m.first)
		w.saw(SightMessage)
		q.unread.push(m)
	}
	if q.unread.len() == had {
		return
	}
	if r := q.to.r; r != nil && had == 0 {
		r.ready = append(r.ready, q.to.c)
	}
	q.to.signal()
	q.to.p.kick()
}

// signal tells the owner of the socket that it has news.
func (s *side) signal() {
	switch {
	case s.r != nil && s.r.news != nil:
		s.r.news(true)
	case s.d != nil && s.d.news != nil:
		s.d.news(true)
	}
}

// stick: the sender stands still.
func (q *pipe) stick() {
	q.stuck, q.left = true, q.from.c.rng.below(q.flight.len()+1)
}

func (q *pipe) unstick() {
	q.stuck = false
	q.delayUntil(q.from.c.w.now + q.from.c.rng.about(q.from.c.delay))
	q.schedule()
}

// delayUntil postpones what is in flight.
func (q *pipe) delayUntil(t time.Duration) {
	for i := q.flight.head; i < len(q.flight.items); i++ {
		if m := &q.flight.items[i]; m.at < t {
			m.at = t
		}
	}
	q.last = max(q.last, t)
}

// close closes one side. What it has sent arrives if it delivers, else as much of
// it as had left.
func (c *conn) close(index int, delivers bool) {
	s := &c.side[index]
	if !s.open {
		return
	}
	s.open = false
	lost := uint64(0)
	switch out := s.out; {
	case out.stuck:
		lost = out.flight.cut(min(out.left, out.flight.len()))
	case !delivers:
		lost = out.flight.cut(c.rng.below(out.flight.len() + 1))
	}
	s.out.stuck, s.out.eof = false, true
	s.out.schedule()
	lost += s.in.flight.cut(0)
	s.p.forgetConn(c)
	if s.d != nil {
		lost += s.in.unread.cut(0)
		s.d.lost(c)
	} else {
		s.r.lost(c)
	}
	c.w.sawMany(SightLost, lost)
	if !c.side[1-index].open {
		c.gone = true
		c.w.net.forget(c)
	}
}

// expect has one side look whether the other still answers, in time.
func (c *conn) expect(index int) {
	s := &c.side[index]
	if s.open && s.beats > 0 {
		wait := s.beats + c.rng.between(0, s.beats/3)
		c.w.after(wait, s, c.w.net.silence(s))
	}
}

// happen: the other side was silent when expect was called; if it has been all
// the time, it counts as gone.
func (s *side) happen(what uint32) {
	if !s.open || s.p.dead || s.c.w.net.silence(s) != what || what == 0 {
		s.c.w.ignored()
		return
	}
	if s.p.paused {
		return // it looks again when it goes on
	}
	s.c.w.saw(SightSilent)
	s.c.w.note(nil, s.p.name, "libzmq: no sign of life of %s", s.c.side[1-s.index].p.name)
	s.c.close(s.index, false)
}
