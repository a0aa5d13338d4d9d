// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"fmt"
	"time"

	"github.com/powerhose/powerhose/protocol"
)

// leaving are the checks of SIGTERM and BYE.
var leaving = []check{
	{rule: 59, name: "SIGTERM: it sends DRAIN, and serves and pings until BYE", costly: true, run: (*rig).checkDrain},
	{rule: 59, name: "SIGTERM while a job runs: the job is finished", costly: true, run: (*rig).checkDrainBusy},
	{rule: 59, name: "SIGTERM while REGISTER waits: DRAIN follows WELCOME", costly: true, run: (*rig).checkDrainEarly},
	{rule: 59, name: "SIGTERM without a registration: it exits with 0 at once", costly: true, run: func(r *rig) string {
		r.ready()
		r.sayBye()
		r.terminate()
		r.leaves()
		return "exit status 0"
	}},
	{rule: 60, name: "BYE after DRAIN ends it with 0", costly: true, run: func(r *rig) string {
		r.ready()
		r.drain()
		r.sayBye()
		r.leaves()
		return "exit status 0"
	}},
	{rule: 62, name: "BYE that it did not ask for ends the registration", costly: true, run: (*rig).checkBye},
	{rule: 62, name: "BYE while a job runs: its result is not sent", costly: true, run: (*rig).checkByeBusy},
}

// drain sends SIGTERM and waits for DRAIN, before the check's own subject.
func (r *rig) drain() {
	r.setUp(func() {
		r.terminate()
		r.soon("DRAIN", is(protocol.CommandDrain))
	})
}

func (r *rig) checkDrain() string {
	r.ready()
	r.terminate()
	r.soon("DRAIN", is(protocol.CommandDrain))
	r.forget()
	j := r.giveEcho("it was under way")
	r.done(j, r.timeout())
	if r.traits.pongs {
		r.sayPing()
		r.soon("PONG", is(protocol.CommandPong))
	}
	if r.traits.pings {
		r.soon("PING", is(protocol.CommandPing))
	}
	r.pause(2 * beat)
	r.alive()
	return "DRAIN came, a job was done, heartbeats went on, and it waited"
}

func (r *rig) checkDrainBusy() string {
	const d = 500 * time.Millisecond
	r.ready()
	j := r.giveSleep(d)
	r.underWay()
	r.terminate()
	r.done(j, d+r.timeout())
	r.soon("DRAIN", is(protocol.CommandDrain))
	r.pause(beat)
	r.alive()
	r.sayBye()
	r.leaves()
	return "RESULT and DRAIN came, then it exited with 0"
}

func (r *rig) checkDrainEarly() string {
	r.registered(hold)
	r.terminate()
	r.pause(beat)
	r.alive()
	r.sayWelcome()
	j := r.giveEcho("right after WELCOME")
	r.done(j, r.timeout())
	r.soon("DRAIN after WELCOME", is(protocol.CommandDrain))
	r.sayBye()
	r.leaves()
	return "a job was done, DRAIN came, then it exited with 0"
}

// checkBye: there may be a PING or two that crossed the BYE.
func (r *rig) checkBye() string {
	const d = 6 * beat
	r.ready()
	r.sayBye()
	j := r.giveEcho("it belongs to the past")
	j.past = true
	r.pause(d)
	r.alive()
	switch n := r.count(is(protocol.CommandPing)); {
	case j.answer != nil:
		r.broken("expected a job after BYE to be dropped, got %v", j.answer)
	case n > 2:
		r.broken("expected silence until a probe comes, got %s within %v", r.heard(), d)
	}
	if e := r.find(is(protocol.CommandRegister)); e != nil && e.conn == r.last {
		r.broken("expected it to wait for a probe, got REGISTER")
	}
	r.sayProbe()
	r.soon("REGISTER after the probe", is(protocol.CommandRegister))
	r.settle()
	return fmt.Sprintf("it was silent for %v, and registered when a probe came", d)
}

func (r *rig) checkByeBusy() string {
	d := r.long(500 * time.Millisecond)
	r.needResponsive()
	r.ready()
	j := r.giveSleep(d)
	r.underWay()
	r.sayBye()
	r.sayProbe()
	r.expect("REGISTER after the probe", d+r.timeout(), is(protocol.CommandRegister))
	r.wait(time.Until(j.sent.Add(d+r.long(startTime))), func() bool { return false })
	r.settle()
	if j.answer != nil {
		r.broken("expected no RESULT after BYE, got %v", j.answer)
	}
	return "no RESULT came, and it registered when a probe came"
}
