// SPDX-License-Identifier: Apache-2.0

package hub

import "sync/atomic"

// inlet is a socket of the hub's, and whether it may have messages. libzmq's
// signals are edges and a send may swallow one (see zmqnet), so a socket is
// looked at when it was signalled, and after each send until it was found empty.
// It is not looked at otherwise: a look at an empty socket costs two system calls.
type inlet struct {
	Socket
	// news says that it was signalled. Set by the hub's driver, from any goroutine.
	news atomic.Bool
	// look says that it was not found empty since it was used last.
	look bool
}

// newInlet returns an inlet that has not been looked at yet.
func newInlet(s Socket) *inlet { return &inlet{Socket: s, look: true} }

// due reports whether it must be looked at now, and counts on that.
func (in *inlet) due() bool {
	signalled := in.news.Swap(false)
	signalled, in.look = signalled || in.look, false
	return signalled
}

// inlets calls f with each of the hub's sockets.
func (h *Hub) inlets(f func(*inlet)) {
	for _, w := range h.listening {
		f(w.own)
	}
	f(h.back)
	if h.front != nil {
		f(h.front)
	}
}

// unseen reports whether there is a socket that must not be left alone.
func (h *Hub) unseen() bool {
	for _, w := range h.listening {
		if w.own.look {
			return true
		}
	}
	return h.back.look || h.front != nil && h.front.look
}
