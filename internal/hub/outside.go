// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"time"

	"github.com/powerhose/powerhose/internal/dispatch"
	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/ledger"
	"github.com/powerhose/powerhose/internal/pidwatch"
	"github.com/powerhose/powerhose/internal/zmqnet"
)

// Socket is what a Hub needs of a *zmqnet.Socket, where the methods are
// documented.
type Socket interface {
	Recv(m *zmqnet.Message, identify func(id string) bool) error
	Send1(a []byte) error
	Send2(a, b []byte) error
	SendTo1(id string, a []byte) error
	SendTo2(id string, a, b []byte) error
	Close(linger time.Duration) error
}

// Ledger is what a Hub needs of a *ledger.Master.
type Ledger interface {
	CloseAndCount() (claimed uint64, ok bool)
	Release() error
}

// Watch is what a Hub needs of a *pidwatch.Watch.
type Watch interface{ Cancel() bool }

// Outside is everything around a Hub that it touches: the system, or what a
// simulation puts in its place.
type Outside struct {
	// Identity, PID and Host are those of this start of the master.
	Identity string
	PID      int
	Host     string
	// Now is the time since the start, on a clock that never goes back.
	Now func() dispatch.Time
	// Connect makes a socket that connects to a worker's own one.
	Connect func(endpoint.Endpoint) (Socket, error)
	// OpenLedger and WatchProcess are ledger.Open and pidwatch.Start.
	OpenLedger   func(path string) (Ledger, error)
	WatchProcess func(pid int, gone func()) (Watch, error)
}

func openLedger(path string) (Ledger, error) {
	l, err := ledger.Open(path)
	if err != nil {
		return nil, err // and not a nil *ledger.Master
	}
	return l, nil
}

func watchProcess(pid int, gone func()) (Watch, error) {
	w, err := pidwatch.Start(pid, gone)
	if err != nil {
		return nil, err
	}
	return w, nil
}
