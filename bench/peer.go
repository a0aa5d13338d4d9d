// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
)

// peer is one way to get a job done in another process.
type peer struct {
	name   string // as in the results
	worker string // what its workers are written in: go or cxx
	client string // what its callers are written in: go or cxx
	ours   bool   // its failure fails the whole run
	about  string // how it is set up, for people

	// aside says that it takes part only where a case names it.
	aside bool

	// oneWorker says that it always has one worker, which uses all processors.
	oneWorker bool
	// looped says that it has no workers: one thread calls a function.
	looped bool

	// needs names the programs that it runs (see tools.go).
	needs []string
	// start starts servers and workers. They are in place when it returns.
	// Callers in Go get a target, others run by themselves.
	start func(ctx context.Context, s *site) (target, error)
	drive func(ctx context.Context, s *site) (measurement, error)
}

// target is a peer that is up.
type target interface {
	// call has one job done and returns its result. It is called from many
	// goroutines at once.
	call(ctx context.Context, service string, payload []byte) ([]byte, error)
	// close disconnects. The processes of the site are stopped after it.
	close() error
}

// work is what a peer is asked to do: one point of a case.
type work struct {
	Case     string `json:"case"`
	Service  string `json:"service"`
	Callers  int    `json:"callers"`
	Workers  int    `json:"workers"`
	Payload  int    `json:"payload"` // octets
	WarmMS   int    `json:"warm_ms"`
	LengthMS int    `json:"length_ms"` // of the measurement

	// Point tells points apart whose callers and payload are the same.
	Point string `json:"point"`
	// Text is the payload; empty: Payload octets of no meaning.
	Text string `json:"text"`
	// Rate is how many jobs are submitted in a second; 0: as many as get done.
	Rate float64 `json:"rate"`
	// Services and Runners are how many there are; 0: one.
	Services int `json:"services"`
	Runners  int `json:"runners"`
	// Cost is bcrypt's.
	Cost int `json:"cost"`
}

// name of the point, for people.
func (w work) name() string { return strings.TrimSpace(w.Case + " " + w.Point) }

// isEcho says that a result is the payload again.
func (w work) isEcho() bool { return w.Case != "crypto" }

func (w work) payload() []byte {
	if w.Text != "" { // what the service computes from
		return []byte(w.Text)
	}
	return makePayload(w.Payload)
}

// site is where a peer is started: a process of its own, with a folder of its
// own that is removed afterwards.
type site struct {
	work     work
	tools    string // folder with the programs
	dir      string // for sockets; the path is short
	children family
}

// id tells variants of a peer apart, as in powerhose-master/cxx.
func (p *peer) id() string {
	id := p.name
	if p.worker == "cxx" && p.client == "go" && p.ours {
		id += "/cxx"
	}
	if p.name == "raw-broker" {
		id += "/" + p.client
	}
	return id
}

// peers in the order of the tables.
func peers() []*peer {
	return []*peer{
		rawDirect(), rawBroker(), rawBrokerGo(),
		embedded("go"), embedded("cxx"), standAlone("go"), standAlone("cxx"),
		natsPeer(), grpcPeer(), gearmand(),
		inProcess(), semaphore(), pool(), library("go"), library("cxx"),
		serviceInLoop("go"), serviceInLoop("cxx"),
	}
}

func peerByID(id string) (*peer, error) {
	for _, p := range peers() {
		if p.id() == id {
			return p, nil
		}
	}
	return nil, fmt.Errorf("there is no peer %q", id)
}
