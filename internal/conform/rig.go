// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// rig is the place of one group: a master that says what a check tells it to,
// and one process under test. It belongs to the goroutine of its group; all that
// arrives is handled while that waits for something.
type rig struct {
	*kit
	group  group
	at     endpoint.Endpoint
	listen string        // where the worker is to listen, "" if it is not
	slack  time.Duration // by what times are multiplied

	poller  *zmqnet.Poller
	unwatch func() bool    // lets go of the kit's context
	router  *zmqnet.Socket // nil while there is no master
	masters int            // how many there have been
	own     *zmqnet.Socket // the master's connection to the worker's own socket, or nil
	msg     zmqnet.Message

	master master // of the check in progress
	conns  map[string]*conn
	last   *conn                 // that registered last, nil if none did
	reg    protocol.Registration // the last one
	given  protocol.Welcome      // the last one
	probed bool                  // the own socket has sent its probe
	said   time.Time             // when something was sent last

	prog     *program // nil before the first start
	leaving  bool     // it was sent SIGTERM
	identity string   // of this process, once it has registered

	log  []*event // all that has arrived in this process's life
	mark int      // where the check in progress began to look

	jobs   map[uint64]*job
	nextID uint64
}

// master says how the rig's master behaves.
type master struct {
	protocol.Welcome
	hold bool // REGISTER is not answered
	mute bool // PING is not answered
}

// conn is a connection of the worker.
type conn struct {
	id    string
	state connState
	asked int // probes and ERRORs 1 that were not followed by a REGISTER yet
	// lenient: what is said before WELCOME is not looked at. It has taken the
	// place of another connection, in the background, and what the worker sends
	// before it has read the probe is meant for that; or a REGISTER was wrong
	// already.
	lenient bool
}

type connState uint8

const (
	connFresh    connState = iota // has not registered
	connWaiting                   // its REGISTER has no WELCOME
	connWelcomed                  // is registered
	connEnded                     // was registered, and was told that it is not any more
)

func openRig(k *kit, g group, at endpoint.Endpoint) (*rig, error) {
	r := &rig{kit: k, group: g, at: at, conns: map[string]*conn{}, jobs: map[uint64]*job{}, nextID: 1 << 40, slack: 1}
	if g.listen || k.cfg.Listen {
		r.listen = at.String()[:len(at.String())-len("sock")] + "own"
	}
	var err error
	if r.poller, err = zmqnet.NewPoller(); err != nil {
		return nil, err
	}
	r.unwatch = context.AfterFunc(k.ctx, r.poller.Wake)
	return r, nil
}

func (r *rig) close() {
	r.unwatch()
	r.kill()
	r.down()
	_ = r.poller.Close()
}

// trouble ends the run: the kit itself cannot go on.
type trouble struct{ error }

// must panics with trouble; it is recovered in try.
func must(err error) {
	if err != nil {
		panic(trouble{err})
	}
}

// up makes the master listen.
func (r *rig) up() {
	if r.router != nil {
		return
	}
	s, err := zmqnet.NewRouter(zmqnet.Options{
		Probe: true, SendHWM: 10_000, RecvHWM: 10_000,
		// As a master's: a connection that does not live is noticed.
		HeartbeatInterval: time.Second, HeartbeatTimeout: 3 * time.Second,
	})
	must(err)
	if err := r.bind(s); err != nil {
		_ = s.Close(0)
		must(err)
	}
	r.poller.Add(s)
	r.router = s
	r.masters++
}

// bind tries again for a while: what was just closed may be held by a process
// that another group is starting, between fork and exec.
func (r *rig) bind(s *zmqnet.Socket) error {
	for tries := 0; ; tries++ {
		_, err := s.Bind(r.at)
		var used *zmqnet.InUseError
		if !errors.As(err, &used) || tries == 1000 {
			return err
		}
		must(r.poller.Wait(time.Millisecond))
	}
}

// down ends the master, without a word.
func (r *rig) down() {
	r.closeOwn()
	if r.router != nil {
		r.poller.Remove(r.router)
		_ = r.router.Close(0)
	}
	r.router, r.last = nil, nil
	clear(r.conns)
	r.retire()
}

func (r *rig) closeOwn() {
	if r.own != nil {
		r.poller.Remove(r.own)
		_ = r.own.Close(0)
	}
	r.own, r.probed = nil, false
}

// start starts a fresh process. Its master is the one of the group unless change
// says otherwise.
func (r *rig) start(change ...func(*master)) {
	r.kill()
	r.down() // what the one before may have left in the socket is not this one's
	r.master = r.group.grant(&r.traits)
	for _, f := range change {
		f(&r.master)
	}
	if !r.group.alone {
		r.up()
	}
	r.log, r.mark, r.identity, r.leaving = nil, 0, "", false
	clear(r.jobs)
	var err error
	r.prog, err = startProgram(r.path, r.command(r.listen), r.environment(r.at.String(), r.listen), r.dir, r.poller.Wake)
	must(err)
	r.said = time.Now()
}

func (r *rig) kill() {
	if r.prog == nil {
		return
	}
	r.prog.stop()
	r.prog = nil
	r.awaitGone()
}

// awaitGone waits until libzmq has noticed that the connections of the process
// have ended. A socket that is closed just then, on a busy machine, may fail an
// assertion of libzmq and end us (its issue 4364).
func (r *rig) awaitGone() {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case trouble:
			r.fail(p.error)
		default:
			panic(p)
		}
	}()
	end := time.Now().Add(r.cfg.Timeout)
	for _, c := range r.conns {
		for !unreachable(r.trySend(c, command(protocol.CommandPing))) && time.Now().Before(end) {
			r.receive() // so that there is something to wait for
			must(r.poller.Wait(time.Millisecond))
		}
	}
}

// startLimit is how long a process may take until it registers.
func (r *rig) startLimit() time.Duration { return max(10*time.Second, 5*r.timeout()) }

// registered starts a fresh process and waits until it is registered.
func (r *rig) registered(change ...func(*master)) {
	r.setUp(func() {
		r.start(change...)
		r.awaitStart()
		if !r.master.hold {
			r.awaitWelcome()
		}
	})
	r.forget()
}

// awaitStart waits for the REGISTER of a process that was just started.
func (r *rig) awaitStart() *event {
	return r.expect("REGISTER", r.startLimit(), is(protocol.CommandRegister))
}

// awaitWelcome waits until the worker has its WELCOME, which in listen mode
// follows the probe of its own socket.
func (r *rig) awaitWelcome() {
	if !r.wait(r.timeout(), func() bool { return r.last != nil && r.last.state == connWelcomed }) {
		r.broken("expected it to register within %v, got %s", r.timeout(), r.heard())
	}
}

// terminate sends SIGTERM.
func (r *rig) terminate() {
	r.leaving = true
	r.prog.terminate()
}

// ready makes sure that a process is registered and has nothing to do: the one
// of the check before if that left it so.
func (r *rig) ready() {
	granted := r.given
	granted.Identity = ""
	idle := r.prog != nil && !r.leaving && !r.prog.exited() && r.last != nil && r.last.state == connWelcomed && granted == r.master.Welcome
	for _, j := range r.jobs {
		idle = idle && (j.answer != nil && !j.answer.flawed || j.past)
	}
	if !idle {
		r.registered()
	}
	r.forget()
}

// forget makes later looks begin here.
func (r *rig) forget() { r.mark = len(r.log) }

// retire: what was given out until now is of a registration that has ended.
func (r *rig) retire() {
	for _, j := range r.jobs {
		j.past = true
	}
}

// lastWords is how long messages may be under way of a process that has ended.
const lastWords = 300 * time.Millisecond

// nap is the longest wait for the poller, which begins anew after a signal; and
// each process that ends is one.
const nap = 20 * time.Millisecond

// wait handles what arrives until ok, and returns what ok said last: false when
// the time is over or the process has ended.
func (r *rig) wait(limit time.Duration, ok func() bool) bool {
	end := time.Now().Add(limit)
	for {
		r.receive()
		if ok() {
			return true
		}
		if r.ctx.Err() != nil {
			panic(stop{NotApplicable, "interrupted"})
		}
		until := end
		if r.prog != nil && r.prog.exited() {
			if last := r.prog.ended.Add(lastWords); last.Before(until) {
				until = last
			}
		}
		left := time.Until(until)
		if left <= 0 {
			return false
		}
		must(r.poller.Wait(min(left, nap)))
	}
}

// pause lets the worker go on for a while.
func (r *rig) pause(d time.Duration) { r.wait(d, func() bool { return false }) }

// find returns the first event since the mark that is as wanted, or nil.
func (r *rig) find(want func(*event) bool) *event {
	for _, e := range r.log[r.mark:] {
		if want(e) {
			return e
		}
	}
	return nil
}

// count returns how many events since the mark are as wanted.
func (r *rig) count(want func(*event) bool) (n int) {
	for _, e := range r.log[r.mark:] {
		if want(e) {
			n++
		}
	}
	return n
}

// expect waits for an event that is as wanted. Without it the rule is broken.
func (r *rig) expect(what string, limit time.Duration, want func(*event) bool) *event {
	var found *event
	if !r.wait(limit, func() bool { found = r.find(want); return found != nil }) {
		r.broken("expected %s within %v, got %s", what, limit, r.heard())
	}
	return found
}

// soon is expect for what must come at once.
func (r *rig) soon(what string, want func(*event) bool) *event {
	return r.expect(what, r.timeout(), want)
}

// never waits, and it breaks the rule if such an event comes.
func (r *rig) never(what string, d time.Duration, want func(*event) bool) {
	if r.wait(d, func() bool { return r.find(want) != nil }) {
		r.broken("expected no %s, got %s", what, r.heard())
	}
	r.alive()
}

// alive breaks the rule if the process has ended.
func (r *rig) alive() {
	if r.prog.exited() {
		r.broken("expected it to go on, but it ended: %s", r.prog.how())
	}
}

// heard sums up what has arrived since the mark.
func (r *rig) heard() string {
	text := ""
	add := func(s string) {
		if text != "" {
			text += ", "
		}
		text += s
	}
	for i := r.mark; i < len(r.log); {
		n := i + 1
		for n < len(r.log) && r.log[n].String() == r.log[i].String() {
			n++
		}
		if n-i > 1 {
			add(r.log[i].String() + " ×" + strconv.Itoa(n-i))
		} else {
			add(r.log[i].String())
		}
		i = n
	}
	if text == "" {
		text = "nothing"
	}
	const most = 300
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	if r.prog != nil && r.prog.exited() {
		text += "; it ended: " + r.prog.how()
	}
	return text
}

// unreachable tells whether sending failed because the connection is gone.
func unreachable(err error) bool {
	return errors.Is(err, zmqnet.ErrUnreachable) || errors.Is(err, zmqnet.ErrAgain)
}
