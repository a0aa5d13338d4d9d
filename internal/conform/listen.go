// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"net"
	"strings"

	"github.com/powerhose/powerhose/protocol"
)

// listenChecks are for workers that can listen on a socket of their own.
var listenChecks = []check{
	{rule: 74, name: "its own socket sends a probe to the master that connects", costly: true, run: func(r *rig) string {
		r.setUp(func() {
			r.start(hold)
			r.awaitStart()
		})
		r.needListen()
		if !r.wait(r.timeout(), func() bool { return r.probed }) {
			r.broken("expected an empty message from %s, got none", r.reg.Endpoint)
		}
		return "at " + r.reg.Endpoint[:strings.IndexByte(r.reg.Endpoint, ':')]
	}},
	{rule: 75, name: "jobs go over its own socket, heartbeats over the other connection", costly: true, run: func(r *rig) string {
		r.ready()
		r.needListen()
		r.settle()
		j := r.give(r.newJob(r.unknownService()), []byte("x"), "a job of a service that it does not offer")
		if e := r.answer(j, r.timeout()); e.conn != nil {
			r.broken("expected its answer over its own socket, got %v over the other connection", e)
		}
		if r.traits.pongs {
			r.sayPing()
			if e := r.soon("PONG", is(protocol.CommandPong)); e.conn == nil {
				r.broken("expected PONG over the connection that it registered on, got it over its own socket")
			}
		}
		return "answers to jobs came over its own socket, PONG over the other connection"
	}},
	{rule: 74, name: "each REGISTER names another endpoint, and the one before is closed", costly: true, run: (*rig).checkNextEndpoint},
}

func (r *rig) needListen() {
	if r.reg.Endpoint == "" {
		r.skip("it names no endpoint, although POWERHOSE_LISTEN is set")
	}
}

func (r *rig) checkNextEndpoint() string {
	r.ready()
	r.needListen()
	before := r.reg.Endpoint
	r.setUp(func() {
		r.evict()
		r.soon("REGISTER", is(protocol.CommandRegister))
	})
	if r.reg.Endpoint == before {
		r.broken("expected another endpoint for another REGISTER, got %s again", before)
	}
	if !r.wait(r.timeout(), func() bool { return !listens(before) }) {
		r.broken("expected %s to be closed, but it still takes connections", before)
	}
	r.settle()
	return "another one after ERROR 1, and the first takes no connections"
}

// listens tells whether somebody takes connections at an endpoint.
func listens(endpoint string) bool {
	network, address := "tcp", strings.TrimPrefix(endpoint, "tcp://")
	if path, ok := strings.CutPrefix(endpoint, "ipc://"); ok {
		network, address = "unix", path
	}
	c, err := net.Dial(network, address)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}
