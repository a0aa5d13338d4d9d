// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"fmt"
	"slices"
	"time"

	"github.com/powerhose/powerhose/protocol"
)

// heartbeats are the checks of heartbeats and of silence.
var heartbeats = []check{
	{rule: 52, name: "an idle worker sends PING each heartbeat", costly: true, run: (*rig).checkPings},
	{rule: 53, name: "PING is answered with PONG", run: func(r *rig) string {
		r.ready()
		for range 3 {
			r.sayPing()
		}
		if !r.wait(r.timeout(), func() bool { return r.count(is(protocol.CommandPong)) >= 3 }) {
			r.broken("expected 3 PONGs, got %s", r.heard())
		}
		return "3 times"
	}},
	{rule: 53, name: "a PONG that was not asked for is fine", run: func(r *rig) string {
		r.ready()
		r.say(command(protocol.CommandPong))
		return r.unmoved("1 message")
	}},
	{rule: 52, name: "PING goes on while a job computes", costly: true, run: func(r *rig) string {
		r.needResponsive()
		r.needPings()
		r.ready()
		j := r.giveBurn(6 * beat)
		r.done(j, r.burnLimit(6*beat))
		n := r.count(func(e *event) bool { return e.cmd == protocol.CommandPing && e.at.Before(j.answer.at) })
		if n < 2 {
			r.broken("expected about %d PINGs, got %s", 6, r.heard())
		}
		return fmt.Sprintf("%d PINGs within %v", n, 6*beat)
	}},
	{rule: 56, name: "its connection stands while a job computes", costly: true, run: (*rig).checkConnection},
	{rule: 58, name: "computing is not the master's silence", costly: true, run: (*rig).checkNoSilence},
	{rule: 58, name: "it connects anew after liveness silent heartbeats", costly: true, run: (*rig).checkSilence},
}

// checkPings looks at the middle of the gaps: a machine that is slow for a moment
// is nobody's fault.
func (r *rig) checkPings() string {
	const n = 9
	r.registered()
	if !r.wait(n*beat+r.timeout(), func() bool { return r.count(is(protocol.CommandPing)) >= n }) {
		r.broken("expected a PING each %v, got %s within %v", beat, r.heard(), n*beat+r.timeout())
	}
	var gaps []time.Duration
	var first, last *event
	for _, e := range r.log[r.mark:] {
		if !is(protocol.CommandPing)(e) {
			continue
		}
		if last != nil {
			gaps = append(gaps, e.at.Sub(last.at))
		} else {
			first = e
		}
		last = e
	}
	slices.Sort(gaps)
	middle, mean := gaps[len(gaps)/2], last.at.Sub(first.at)/time.Duration(len(gaps))
	if middle > 2*beat || mean < beat/2 {
		r.broken("expected a PING each %v, got one each %v", beat, middle.Round(time.Millisecond))
	}
	return fmt.Sprintf("one each %v, of %v", middle.Round(time.Millisecond), beat)
}

// burnLimit is how long a worker may take that computes for d, beside others on a
// busy machine.
func (r *rig) burnLimit(d time.Duration) time.Duration { return 20*d + 2*r.timeout() }

// giveBurn gives a job that computes, or at least keeps the worker busy.
func (r *rig) giveBurn(d time.Duration) *job {
	if name := r.cfg.Services.Burn; r.offers(name) {
		return r.give(r.newJob(name), milliseconds(d), fmt.Sprintf("burn %v", d))
	}
	return r.giveSleep(d)
}

// checkConnection sends PING each heartbeat, as a master does to a busy worker.
func (r *rig) checkConnection() string {
	const d = time.Second
	r.ready()
	c := r.last
	j := r.giveBurn(d)
	sent := 0
	for j.answer == nil && since(j.sent) < r.burnLimit(d) {
		if err := r.trySend(c, command(protocol.CommandPing)); err != nil {
			r.broken("expected it to stand, but PING %d, %v after the job, cannot be sent", sent+1, since(j.sent))
		}
		sent++
		r.wait(beat/2, func() bool { return j.answer != nil })
	}
	r.done(j, 0)
	if r.last != c || j.answer.conn != c && r.own == nil {
		r.broken("expected the result over the same connection, got another one")
	}
	r.settle()
	return fmt.Sprintf("%d PINGs could be sent during %s", sent, j.text)
}

// checkNoSilence lets a job take longer than the worker is to endure silence,
// while the master is anything but silent.
func (r *rig) checkNoSilence() string {
	const d = 2 * time.Second
	r.registered(func(m *master) { m.Heartbeat, m.Liveness = 2*beat, 3 })
	c := r.last
	j := r.giveBurn(d)
	end, late := time.Time{}, time.Duration(0)
	for end.IsZero() || time.Now().Before(end) { // a few heartbeats more
		late = max(late, since(r.said))
		r.sayPing()
		r.pause(beat / 2)
		if j.answer != nil && end.IsZero() {
			end = time.Now().Add(4 * beat)
		}
		if since(j.sent) > r.burnLimit(d) {
			break
		}
	}
	if late > 3*beat {
		r.skip("this machine is too slow now: a PING came %v late", late)
	}
	r.alive()
	r.done(j, 0)
	if r.last != c {
		r.broken("expected it to keep its connection, but it registered again")
	}
	r.settle()
	return fmt.Sprintf("%s, with a heartbeat of %v, changed nothing", j.text, 2*beat)
}

// checkSilence: the connection stands, but nothing comes over it.
func (r *rig) checkSilence() string {
	const liveness = 3
	r.registered(func(m *master) { m.Liveness, m.mute = liveness, true })
	old, said := r.last, r.said
	const least = liveness * beat
	e := r.expect("REGISTER on a new connection", least+r.timeout(), is(protocol.CommandRegister))
	took := e.at.Sub(said).Round(time.Millisecond)
	switch {
	case e.conn == old:
		r.broken("expected REGISTER on a new connection, got it on the same")
	case took < least*9/10:
		r.broken("expected it after %v of silence, got it after %v", least, took)
	}
	return fmt.Sprintf("REGISTER came on a new connection after %v of silence", took)
}

// patience is how long a worker endures a master that is gone.
const patience = protocol.Patience

// givingUp are the checks of a master that does not come back.
var givingUp = []check{
	{rule: 58, name: "it ends with a status other than 0 when its master is gone", costly: true, run: func(r *rig) string {
		r.registered(func(m *master) { m.Heartbeat, m.Liveness = beat, 3 })
		return r.givesUp(patience)
	}},
	{rule: 58, name: "it endures liveness + 2 heartbeats if they are longer", costly: true, run: func(r *rig) string {
		const slowBeat, liveness = 1500 * time.Millisecond, 2
		r.registered(func(m *master) { m.Heartbeat, m.Liveness = slowBeat, liveness })
		return r.givesUp((liveness + 2) * slowBeat)
	}},
}

// givesUp ends the master and waits for the worker's end. A worker may have
// heard the last word of its master a little later than it was said, so that it
// may end later, but no sooner.
func (r *rig) givesUp(least time.Duration) string {
	r.setUp(r.settle) // WELCOME has arrived
	said := r.said
	r.down()
	text := r.fails(least + max(r.timeout(), time.Second))
	took := r.prog.ended.Sub(said).Round(10 * time.Millisecond)
	if took < least*9/10 {
		r.broken("expected it to try for %v, got its end after %v", least, took)
	}
	return fmt.Sprintf("%s after %v", text, took)
}

// aloneChecks are the checks of a worker that is there before its master.
var aloneChecks = []check{
	{rule: 58, name: "it ends with a status other than 0 when there never was a master", costly: true, run: func(r *rig) string {
		r.start()
		begun := r.said
		text := r.fails(patience + r.startLimit()/2)
		took := r.prog.ended.Sub(begun).Round(10 * time.Millisecond)
		if took < patience*9/10 {
			r.broken("expected it to try for %v, got its end after %v", patience, took)
		}
		return fmt.Sprintf("%s after %v", text, took)
	}},
	{rule: 21, name: "it registers with a master that comes later", costly: true, run: func(r *rig) string {
		r.start()
		r.pause(700 * time.Millisecond)
		r.alive()
		r.up()
		came := time.Now()
		e := r.awaitStart()
		r.settle()
		return fmt.Sprintf("REGISTER came %v after the master", e.at.Sub(came).Round(time.Millisecond))
	}},
}

// restartChecks are the checks of a master that comes back as another one.
var restartChecks = []check{
	{rule: 2, name: "nothing that could not be sent reaches the next master", costly: true, run: func(r *rig) string {
		r.registered()
		r.setUp(r.settle)
		r.down()
		r.forget()
		r.pause(5 * beat) // in which it has PINGs to send
		r.alive()
		r.up()
		e := r.expect("REGISTER", r.startLimit(), is(protocol.CommandRegister))
		// One may go out between the new connection and the probe being read.
		if n := indexOf(r.log[r.mark:], e); n > 1 {
			r.broken("expected REGISTER first, got %s", r.heard())
		}
		r.settle()
		return "REGISTER came first, and the next job was done"
	}},
	{rule: 24, name: "jobs of the master before are not answered to the next", costly: true, run: (*rig).checkOtherMaster},
}

func (r *rig) checkOtherMaster() string {
	const d = 600 * time.Millisecond
	r.registered()
	j := r.giveSleep(d)
	r.underWay()
	r.down()
	r.pause(beat)
	r.up()
	r.forget()
	r.expect("REGISTER", d+r.startLimit(), is(protocol.CommandRegister))
	r.wait(time.Until(j.sent.Add(d+r.long(startTime))), func() bool { return false }) // the handler has returned
	r.settle()
	if a := j.answer; a != nil && r.last.state == connWelcomed && indexOf(r.log, a) > indexOf(r.log, r.find(is(protocol.CommandRegister))) {
		r.broken("expected no answer, got %v", a)
	}
	return "it registered, the old job was not answered, and the next one was done"
}
