// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/powerhose/powerhose/internal/call"
	"github.com/powerhose/powerhose/internal/dispatch"
	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/hub"
	"github.com/powerhose/powerhose/internal/zmqnet"
)

// master is a process with a Hub: the real one, driven as its Serve would, or, if
// it is embedded, as Embed would, with callers in the same process.
type master struct {
	w     *world
	place *place
	p     *process
	hub   *hub.Driven
	front *router
	back  *router
	seen  *observer

	calls  []*embeddedCall // not answered
	looked time.Duration   // when it looked at its clock first in this round: what it says now it decided later, and never earlier
}

// embeddedCall is a job of a caller in the master's process.
type embeddedCall struct {
	call *call.Call
	sub  *submission
}

func backend(i int) string  { return fmt.Sprintf("ipc:///run/backend%d.sock", i) }
func frontend(i int) string { return fmt.Sprintf("ipc:///run/frontend%d.sock", i) }

func (w *world) startMaster(pl *place) *process {
	sc := w.script
	m := &master{w: w, place: pl}
	p := w.start(pl.name(), pl.host, pl.drift, pl.lag, m)
	m.p = p
	m.seen = newObserver(w, m)
	beats := sc.Hub.Dispatch.Heartbeat * time.Duration(sc.Hub.Dispatch.Liveness)
	m.back = p.newRouter(backend(pl.index), sc.HWM, beats)
	m.back.identify = m.credentials
	m.back.read, m.back.sent = m.seen.fromWorker, m.seen.toWorker
	out := hub.Outside{
		Identity: fmt.Sprintf("%s.%d", pl.name(), pl.starts), PID: p.pid, Host: "sim",
		Now:     m.look,
		Connect: m.connect, OpenLedger: w.openLedger, WatchProcess: m.watch,
	}
	var front hub.Socket
	if pl.kind == masterPlace {
		m.front = p.newRouter(frontend(pl.index), sc.HWM, beats)
		m.front.identify = m.credentials
		m.front.read, m.front.sent = m.seen.fromRunner, m.seen.toRunner
		front = m.front
	}
	m.hub = hub.NewDriven(sc.Hub, out, m.back, front, p.kick)
	m.back.news = func(news bool) { m.hub.Signal(m.back, news) }
	if front != nil {
		m.front.news = func(news bool) { m.hub.Signal(m.front, news) }
	}
	m.seen.hub = m.hub
	p.kick()
	return p
}

// look is the Hub's look at the clock. The deadlines of jobs that it has just
// received count from there.
func (m *master) look() dispatch.Time {
	now := m.p.look()
	if m.looked == never {
		m.looked = now
	}
	for _, s := range m.seen.fresh {
		if s.from != nil {
			s.deadline = now + s.left
		}
		if s.waitBy = s.deadline; s.wait >= 0 {
			s.waitBy = min(s.deadline, now+s.wait)
		}
	}
	m.seen.fresh = m.seen.fresh[:0]
	return dispatch.Time(now)
}

// credentials are the kernel's word on who is at the other end.
func (m *master) credentials(c *conn) zmqnet.PeerCred {
	peer := c.side[dealing].p
	return zmqnet.PeerCred{UID: os.Geteuid(), PID: peer.pid, OK: peer.host == m.p.host}
}

// connect connects to a worker's own socket.
func (m *master) connect(e endpoint.Endpoint) (hub.Socket, error) {
	d := m.p.newDealer(e.String(), m.w.script.HWM, m.w.script.Hub.Dispatch.Heartbeat*3)
	own := &ownSocket{dealer: d, m: m}
	d.news = func(news bool) { m.hub.Signal(own, news) }
	d.connect()
	return own, nil
}

// ownSocket is a master's DEALER to a worker's own socket.
type ownSocket struct {
	*dealer
	m *master
}

// registration is the connection on which the worker that listens there has
// registered.
func (s *ownSocket) registration() *conn {
	for c, reg := range s.m.seen.asked {
		if reg.Endpoint == s.endpoint {
			return c
		}
	}
	for _, r := range s.m.seen.regs {
		if r.reg.Endpoint == s.endpoint {
			return r.conn
		}
	}
	return nil
}

func (s *ownSocket) Recv(m *zmqnet.Message, identify func(string) bool) error {
	err := s.dealer.Recv(m, identify)
	if err == nil {
		if c := s.registration(); c != nil {
			s.m.seen.fromWorker(c, m.Frames[0], second(m.Frames))
		}
	}
	return err
}

func (s *ownSocket) Send1(a []byte) error {
	err := s.dealer.Send1(a)
	if err == nil {
		s.m.seen.toWorker(s.registration(), a, nil)
	}
	return err
}

func (s *ownSocket) Send2(a, b []byte) error {
	err := s.dealer.Send2(a, b)
	if err == nil {
		s.m.seen.toWorker(s.registration(), a, b)
	}
	return err
}

// watch is pidwatch.Start.
func (m *master) watch(pid int, gone func()) (hub.Watch, error) {
	for _, pl := range m.w.places {
		if p := pl.p; p != nil && p.pid == pid && !p.dead {
			v := &watch{over: p, by: m.p, gone: gone}
			p.watches = append(p.watches, v)
			return v, nil
		}
	}
	return nil, os.ErrProcessDone
}

// leavesNothing: what the hub did not read although it leaves is not announced
// again, so that it would lie there until something else arrives.
func (m *master) leavesNothing() {
	for _, r := range m.p.routers {
		if len(r.ready) > 0 || len(r.probes) > 0 {
			m.w.fail(nil, "%s leaves messages unread", m.p.name)
		}
	}
	for _, d := range m.p.dealers {
		if d.conn != nil && d.conn.side[dealing].in.unread.len() > 0 {
			m.w.fail(nil, "%s leaves messages of a worker's own socket unread", m.p.name)
		}
	}
}

func (m *master) round() time.Duration {
	m.looked = never
	for n := 0; m.hub.Turn(); n++ {
		if n > 10_000 {
			m.w.fail(nil, "%s has no end of turns", m.p.name)
		}
	}
	if err := m.hub.Err(); err != nil {
		m.w.fail(nil, "%s cannot go on: %v", m.p.name, err)
	}
	m.leavesNothing()
	m.answers()
	m.seen.after()
	if m.hub.Finished() {
		m.hub.Close()
		m.p.exit(true)
		return never
	}
	next := time.Duration(m.hub.Next())
	if m.front != nil && next != never { // zmq_poll counts in milliseconds
		now := m.p.now()
		next = now + roundUp(max(next-now, 0))
	}
	return next
}

func roundUp(d time.Duration) time.Duration {
	return (d + time.Millisecond - 1) / time.Millisecond * time.Millisecond
}

func (m *master) ended() {
	m.calls = nil
	s := m.hub.Stats()
	m.w.sawMany(SightRedispatched, s.Redispatched)
	m.w.sawMany(SightRetried, s.Retried)
	m.w.sawMany(SightReturned, s.Returned)
	m.w.sawMany(SightEvicted, s.Evicted)
	m.w.sawMany(SightLate, s.Late)
	m.place.died()
}

// drain is SIGTERM.
func (m *master) drain(within time.Duration) { m.hub.Drain(within) }

// submit takes a job of a caller in this process.
func (m *master) submit(j *job) {
	s := m.w.submit(j, j.retries)
	c := call.New()
	c.Service, c.Payload, c.Headers = j.service, m.w.payload(j), m.w.bytes(m.w.headers(s))
	c.Deadline, c.Wait, c.Retries = time.Time{}.Add(j.deadline), j.wait, j.retries
	m.calls = append(m.calls, &embeddedCall{c, s})
	m.seen.take(s, nil, 0)
	s.deadline, s.wait = j.deadline, j.wait
	m.seen.fresh = append(m.seen.fresh, s)
	m.hub.Submit(c)
}

func (m *master) cancel(j *job) {
	for _, e := range m.calls {
		if e.sub.job == j {
			m.hub.Cancel(e.call)
		}
	}
}

// answers hands on what the hub has answered.
func (m *master) answers() {
	for i := 0; i < len(m.calls); i++ {
		e := m.calls[i]
		select {
		case <-e.call.Done:
		default:
			continue
		}
		m.calls = append(m.calls[:i], m.calls[i+1:]...)
		i--
		m.seen.verdict(e.sub, e.call.Outcome)
		m.seen.settle(e.sub)
		e.sub.job.caller.answered(answer{int(e.call.Outcome), e.call.MayHaveRun, e.call.Result})
	}
}

// left tells what is still there although nobody is; "" if nothing is.
func (m *master) left() error {
	if what := m.hub.Left(); what != "" {
		return errors.New(what)
	}
	if n := m.hub.Dropped(); n > 0 {
		return fmt.Errorf("%d malformed messages were dropped", n)
	}
	if o := m.seen; len(o.open)+len(o.tags)+len(o.regs) > 0 {
		return fmt.Errorf("%d jobs, %d names of jobs, %d workers", len(o.open), len(o.tags), len(o.regs))
	}
	return nil
}
