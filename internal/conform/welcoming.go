// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"fmt"
	"time"

	"github.com/powerhose/powerhose/protocol"
)

// welcoming are the checks of what a worker makes of WELCOME. Each looks at the
// heartbeat that it follows afterwards.
var welcoming = []check{
	{rule: 30, name: "it follows the heartbeat of WELCOME", costly: true, run: func(r *rig) string {
		r.needPings()
		r.registered(func(m *master) { m.Heartbeat, m.Liveness = longTime, 3 })
		const d = 1300 * time.Millisecond
		r.never("PING with a heartbeat of 60 s", d, is(protocol.CommandPing))
		return fmt.Sprintf("with a heartbeat of 60 s no PING came within %v", d)
	}},
	{rule: 13, name: "properties of WELCOME come in any order, unknown ones are ignored", costly: true, run: func(r *rig) string {
		r.needPings()
		r.registered(hold)
		r.sayOther("new-in-2031", "x", "liveness", "100", "new-in-2031", "", "heartbeat", "50", "z", "1",
			"max-message", "1048576", "identity", "conform-odd")
		r.welcomed()
		r.soon("PING with a heartbeat of 50 ms", is(protocol.CommandPing))
		return "PING came"
	}},
	{rule: 30, name: "a WELCOME without identity is malformed", costly: true, run: badWelcome("heartbeat", "60000")},
	{rule: 30, name: "a WELCOME with a number out of range is malformed", costly: true, run: badWelcome("identity", "conform-bad", "heartbeat", "60000", "liveness", "1")},
	{rule: 14, name: "a WELCOME with a property twice is malformed", costly: true, run: badWelcome("identity", "conform-bad", "heartbeat", "60000", "heartbeat", "60000")},
	{rule: 15, name: "a WELCOME with a leading zero in a number is malformed", costly: true, run: badWelcome("identity", "conform-bad", "heartbeat", "060000")},
	{rule: 31, name: "a WELCOME that no REGISTER waits for is dropped", costly: true, run: func(r *rig) string {
		r.needPings()
		r.registered(func(m *master) { m.Heartbeat, m.Liveness = 50*time.Millisecond, 100 })
		r.sayOther("identity", "conform-again", "heartbeat", "60000")
		r.settle()
		r.forget()
		// One may have been due already, and with a new registration all begins anew.
		again := func() bool { return r.find(is(protocol.CommandRegister)) != nil }
		if !r.wait(r.timeout(), func() bool { return again() || r.count(is(protocol.CommandPing)) >= 3 }) || again() {
			r.broken("expected a PING each 50 ms, the heartbeat of the first, got %s", r.heard())
		}
		return "the heartbeat of the first goes on"
	}},
}

// badWelcome sends a WELCOME that must be dropped, with a heartbeat of 60 s, then
// one in order with a short one.
func badWelcome(pairs ...string) func(*rig) string {
	return func(r *rig) string {
		r.needPings()
		r.registered(hold)
		r.sayOther(pairs...)
		r.sayOther("identity", "conform-good", "heartbeat", "50", "liveness", "100")
		r.welcomed()
		r.soon("PING with the heartbeat of the next WELCOME, 50 ms", is(protocol.CommandPing))
		return "it was dropped, and the next WELCOME taken"
	}
}

// properties is a WELCOME of which nothing is checked.
func properties(pairs ...string) []byte {
	b := command(protocol.CommandWelcome)
	for i := 0; i < len(pairs); i += 2 {
		name, value := pairs[i], pairs[i+1]
		b = append(append(b, byte(len(name))), name...)
		b = append(append(b, byte(len(value)>>8), byte(len(value))), value...)
	}
	return b
}
