// SPDX-License-Identifier: Apache-2.0

package hub

import "github.com/powerhose/powerhose/protocol"

// reading is what is known of how a runner reads. libzmq bounds what it
// keeps for a connection in messages, whatever their size; a worker is never sent
// more jobs than it has places for, but a runner may ask for any number of
// results. It reads in order, so its PONG says that it has read all that was sent
// before the PING.
type reading struct {
	unread int64 // octets sent that it is not known to have read
	asked  bool  // a PING was sent and has no PONG yet
	since  int64 // how many of unread were sent after that PING
}

// readStep is how many octets are sent to a runner before it is asked whether it
// reads.
const readStep = 1 << 20

var runnerPing = protocol.AppendPing(nil, protocol.RoleRunner)

// wrote counts what was sent to a runner. It reports whether the runner is still
// there.
func (h *Hub) wrote(r *runner, size int) bool {
	d := &r.reading
	d.unread += int64(size)
	if d.asked {
		d.since += int64(size)
	}
	if d.unread > h.cfg.MaxUnread {
		h.loseRunner(r, "does not read what it is sent")
		return false
	}
	if d.asked || d.unread < readStep {
		return true
	}
	d.asked, d.since = true, 0
	return h.sentTo(&r.peer, len(runnerPing), h.writeTo(h.front, r.conn, runnerPing, nil, 1))
}

// hasRead is called when a PONG of the runner arrives. One that was not asked for
// says nothing.
func (h *Hub) hasRead(r *runner) {
	if d := &r.reading; d.asked {
		*d = reading{unread: d.since}
	}
}
