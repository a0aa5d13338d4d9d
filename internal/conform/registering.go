// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"fmt"
	"strings"
	"time"

	"github.com/powerhose/powerhose/protocol"
)

func (r *rig) checkPID() string {
	r.ready()
	if r.reg.PID == 0 {
		r.skip("it does not tell its pid")
	}
	if !r.prog.owns(r.reg.PID) {
		r.broken("expected %d or a process that it started, got %d", r.prog.cmd.Process.Pid, r.reg.PID)
	}
	return fmt.Sprintf("process %d", r.reg.PID)
}

func (r *rig) checkOneConnection() string {
	r.ready()
	r.settle()
	if n := len(r.conns); n != 1 {
		r.broken("expected one connection, got messages over %d", n)
	}
	return "all that came was over one connection"
}

// handshake is what a worker does without an answer.
const handshake = protocol.HandshakeTimeout

func hold(m *master) { m.hold = true }

// registering are the checks of how registrations begin and end.
var registering = []check{
	{rule: 25, name: "without WELCOME it connects anew after 3 s", costly: true, run: (*rig).checkHandshake},
	{rule: 21, name: "it registers again after ERROR 1", run: func(r *rig) string {
		r.ready()
		r.evict()
		r.soon("REGISTER after ERROR 1", is(protocol.CommandRegister))
		r.settle()
		return "REGISTER came, and the next job was done"
	}},
	{rule: 3, name: "it registers again after a probe on its connection", run: func(r *rig) string {
		r.ready()
		r.sayProbe()
		r.soon("REGISTER after an empty message", is(protocol.CommandRegister))
		r.settle()
		return "REGISTER came, and the next job was done"
	}},
	{rule: 21, name: "while its REGISTER waits it ignores ERROR 1", costly: true, run: func(r *rig) string {
		r.registered(hold)
		c := r.last
		r.evict()
		r.sayWelcome()
		r.settle()
		if n := r.count(is(protocol.CommandRegister)); n > 0 || r.last != c {
			r.broken("expected nothing, got another REGISTER")
		}
		return "no other REGISTER, and WELCOME was taken"
	}},
	{rule: 21, name: "a probe while its REGISTER waits makes it connect anew", costly: true, run: func(r *rig) string {
		return r.connectsAnew("a probe", (*rig).sayProbe)
	}},
	{rule: 21, name: "BYE while its REGISTER waits makes it connect anew", costly: true, run: func(r *rig) string {
		return r.connectsAnew("BYE", (*rig).sayBye)
	}},
	{rule: 22, name: "it waits for WELCOME in silence", costly: true, run: func(r *rig) string {
		const d = 1300 * time.Millisecond // longer than the heartbeat before any WELCOME
		r.registered(hold)
		r.never("message before WELCOME", d, func(*event) bool { return true })
		return fmt.Sprintf("nothing came within %v", d)
	}},
	{rule: 23, name: "it does not register while a handler of an earlier registration runs", costly: true, run: (*rig).checkBusyRegister},
	{rule: 24, name: "it drops a job that comes before WELCOME", run: (*rig).checkStrayJob},
}

func (r *rig) checkHandshake() string {
	r.registered(hold)
	old, asked := r.last, r.said
	limit := handshake + r.timeout()
	e := r.expect("REGISTER on a new connection", limit, func(e *event) bool {
		return e.cmd == protocol.CommandRegister && e.conn != old
	})
	return fmt.Sprintf("REGISTER came on a new connection after %v", e.at.Sub(asked).Round(time.Millisecond))
}

func (r *rig) connectsAnew(what string, say func(*rig)) string {
	r.registered(hold)
	old, asked := r.last, r.log[len(r.log)-1].at
	say(r)
	r.master.hold = false
	// Later it would do so anyway, as it has no WELCOME.
	limit := min(r.timeout(), time.Until(asked.Add(handshake*9/10)))
	e := r.expect("REGISTER on a new connection after "+what, limit, is(protocol.CommandRegister))
	if e.conn == old {
		r.broken("expected REGISTER on a new connection, got a second one on the same")
	}
	r.settle()
	return "REGISTER came on a new connection"
}

func (r *rig) checkBusyRegister() string {
	const d = time.Second
	r.needService(r.cfg.Services.Sleep)
	const cannotTell = "its handlers end when their registration does, so this cannot be seen"
	if r.traits.cancels {
		r.skip(cannotTell)
	}
	r.ready()
	j := r.giveSleep(d)
	r.underWay()
	r.evict()
	var e *event
	r.setUp(func() { e = r.expect("REGISTER", d+r.timeout(), is(protocol.CommandRegister)) })
	took := e.at.Sub(j.sent).Round(time.Millisecond)
	if took < d && r.cancels() {
		r.skip(cannotTell)
	}
	if took < d {
		r.broken("expected it after a job of %v, got it %v after that was sent", d, took)
	}
	return fmt.Sprintf("REGISTER came %v after a job of %v was sent", took, d)
}

func (r *rig) checkStrayJob() string {
	r.ready()
	if r.own != nil {
		r.skip("over a socket of its own a job may overtake WELCOME")
	}
	r.master.hold = true
	r.setUp(func() {
		r.evict()
		r.soon("REGISTER", is(protocol.CommandRegister))
	})
	j := r.giveEcho("too early")
	r.sayWelcome()
	r.settle()
	if j.answer != nil {
		r.broken("expected no answer, got %v", j.answer)
	}
	delete(r.jobs, j.ref.ID)
	return "no answer, and the next job was done"
}

// refusing are the checks of ERRORs.
var refusing = []check{
	{rule: 32, name: "ERROR 3 and 5 change nothing, and have no answer", run: func(r *rig) string {
		r.ready()
		for _, code := range []protocol.ErrorCode{protocol.CodeUnknownCommand, protocol.CodeTooLarge} {
			r.sayError(code, protocol.RoleWorker, "for people")
		}
		return r.unmoved("2 messages")
	}},
	{rule: 32, name: "ERROR 0 is malformed", run: func(r *rig) string {
		r.ready()
		r.say(command(protocol.CommandError, 0, 0, 0))
		return r.unmoved("1 message")
	}},
	{rule: 27, name: "ERROR 2 ends it with a status other than 0", costly: true, run: refused(protocol.CodeVersion, false)},
	{rule: 27, name: "ERROR 4 in place of WELCOME ends it with a status other than 0", costly: true, run: refused(protocol.CodeRefused, true)},
	{rule: 27, name: "ERROR 6 ends it with a status other than 0", costly: true, run: refused(protocol.CodeWrongRole, false)},
	{rule: 32, name: "a code that is not listed counts as 4", costly: true, run: refused(99, true)},
	{rule: 8, name: "an ERROR may be of the other role", run: func(r *rig) string {
		r.ready()
		r.sayError(protocol.CodeUnregistered, protocol.RoleRunner, "register first")
		r.soon("REGISTER after ERROR 1 of role R", is(protocol.CommandRegister))
		return "REGISTER came"
	}},
	{rule: 78, name: "it prints no text of the master as it is", costly: true, run: func(r *rig) string {
		r.registered(hold)
		r.sayError(protocol.CodeRefused, protocol.RoleWorker, "no\x1b[31m\nforged: a line of the log")
		r.setUp(func() { r.exits(r.timeout()) })
		said := string(r.prog.said())
		for _, c := range []string{"\x1b", "\nforged"} {
			if strings.Contains(said, c) {
				r.broken("expected it escaped, got %q in what it writes", c)
			}
		}
		if !strings.Contains(said, "forged") {
			return "it does not print the text"
		}
		return "it prints the text escaped"
	}},
}

func refused(code protocol.ErrorCode, atOnce bool) func(*rig) string {
	return func(r *rig) string {
		if atOnce {
			r.registered(hold)
		} else {
			r.ready()
		}
		r.sayError(code, protocol.RoleWorker, "the kit refuses")
		return r.fails(r.timeout())
	}
}

// unmoved proves that what was said since the mark had no effect: the same
// registration goes on, and there was no answer.
func (r *rig) unmoved(what string) string {
	c := r.last
	r.settle()
	pongs := 0
	if !r.offers(r.cfg.Services.Echo) {
		pongs = 1 // that settle has asked for
	}
	odd := r.find(func(e *event) bool {
		switch {
		case e.cmd == protocol.CommandPing:
			return false
		case e.cmd == protocol.CommandPong:
			pongs--
			return pongs < 0
		}
		return e.job == nil || e.job.past
	})
	switch {
	case r.last != c || r.count(is(protocol.CommandRegister)) > 0:
		r.broken("expected no effect, got another REGISTER")
	case odd != nil:
		r.broken("expected no answer, got %v", odd)
	}
	return what + " without effect, then the next job was done"
}
