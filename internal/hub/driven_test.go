// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/dispatch"
	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// scripted is a socket that receives what a test puts into it, and keeps what is
// sent. After Close it is as unusable as a real one.
type scripted struct {
	id     string // of the peer, on a ROUTER
	in     [][][]byte
	broken error // after in
	out    [][][]byte
	closed bool
}

func (s *scripted) Recv(m *zmqnet.Message, _ func(string) bool) error {
	m.ID, m.Peer = s.id, zmqnet.PeerCred{}
	switch {
	case s.closed:
		return zmqnet.ErrClosed
	case len(s.in) > 0:
		m.Frames, s.in = s.in[0], s.in[1:]
		return nil
	case s.broken != nil:
		return s.broken
	}
	return zmqnet.ErrAgain
}

func (s *scripted) send(frames ...[]byte) error {
	if s.closed {
		return zmqnet.ErrClosed
	}
	for i := range frames {
		frames[i] = append([]byte(nil), frames[i]...)
	}
	s.out = append(s.out, frames)
	return nil
}

func (s *scripted) Send1(a []byte) error                { return s.send(a) }
func (s *scripted) Send2(a, b []byte) error             { return s.send(a, b) }
func (s *scripted) SendTo1(_ string, a []byte) error    { return s.send(a) }
func (s *scripted) SendTo2(_ string, a, b []byte) error { return s.send(a, b) }
func (s *scripted) Close(time.Duration) error           { s.closed = true; return nil }

// rig is a Driven hub with scripted sockets and a clock that a test moves.
type rig struct {
	*Driven
	t         *testing.T
	now       time.Duration
	back, own *scripted
}

func newRig(t *testing.T) *rig {
	g := &rig{t: t, back: &scripted{id: "\x00wrk1"}, own: &scripted{}}
	out := Outside{
		Identity: "m", PID: 1, Host: "h",
		Now:          func() dispatch.Time { return dispatch.Time(g.now) },
		Connect:      func(endpoint.Endpoint) (Socket, error) { return g.own, nil },
		OpenLedger:   func(string) (Ledger, error) { return nil, errors.New("none") },
		WatchProcess: func(int, func()) (Watch, error) { return nil, errors.New("none") },
	}
	g.Driven = NewDriven(Config{}, out, g.back, nil, func() {})
	return g
}

func (g *rig) turn() {
	g.t.Helper()
	for range 3 { // as often as sockets may signal
		g.Signal(g.back, true)
		g.Signal(g.own, true)
		for g.Turn() {
		}
	}
	require.NoError(g.t, g.Err())
}

func (g *rig) listens() {
	g.t.Helper()
	reg, err := protocol.AppendRegister(nil, protocol.RoleWorker, protocol.Registration{Identity: "w", Endpoint: "ipc:///own"})
	require.NoError(g.t, err)
	g.back.in = [][][]byte{{reg}}
	g.own.in = [][][]byte{{nil}} // the probe
	g.turn()
	workers, _ := g.Peers()
	require.Equal(g.t, 1, workers)
	require.Len(g.t, g.back.out, 1, "a WELCOME")
}

// A worker's own socket is closed by what comes from it, or breaks: that ends the
// registration, and nothing else.
func TestEndOfAnOwnSocketEndsItsWorkerOnly(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*rig){
		"probe, R-76": func(g *rig) { g.own.in = [][][]byte{{nil}, {protocol.AppendPing(nil, protocol.RoleWorker)}} },
		"BYE":         func(g *rig) { g.own.in = [][][]byte{{protocol.AppendBye(nil, protocol.RoleWorker)}} },
		"breaks":      func(g *rig) { g.own.broken = zmqnet.ErrBroken },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t)
			g.listens()
			end(g)
			g.turn()
			require.True(t, g.own.closed)
			require.Empty(t, g.Left())
			g.own = &scripted{}
			g.back.out = nil
			g.listens()
		})
	}
}

// One signal stands for as many messages as there are.
func TestNothingIsLeftUnread(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.listens()
	ping := protocol.AppendPing(nil, protocol.RoleWorker)
	for range 5 * perTurn {
		g.back.in = append(g.back.in, [][]byte{ping})
		g.own.in = append(g.own.in, [][]byte{ping})
	}
	g.Signal(g.back, true)
	g.Signal(g.own, true)
	for g.Turn() {
	}
	require.Empty(t, g.back.in)
	require.Empty(t, g.own.in)

	// Nobody said that there is something.
	g.back.in = [][][]byte{{ping}}
	require.False(t, g.Turn())
	require.Len(t, g.back.in, 1)
	g.Signal(g.back, true)
	if g.Turn() { // it may want to look again, once
		require.False(t, g.Turn())
	}
	require.Empty(t, g.back.in)
}

// A socket that always has something must not keep the hub from noticing that
// another one has.
func TestASocketThatIsNeverEmpty(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	front := &scripted{id: "\x00run1"}
	g.h.front = newInlet(front)
	for range 100 * perTurn {
		front.in = append(front.in, [][]byte{[]byte("garbage")})
	}
	reg, err := protocol.AppendRegister(nil, protocol.RoleWorker, protocol.Registration{Identity: "w"})
	require.NoError(t, err)
	heard := func() error {
		if workers, _ := g.Peers(); workers > 0 {
			front.in = nil
		} else if len(g.back.in) == 0 {
			g.back.in = [][][]byte{{reg}}
			g.Signal(g.back, true)
		}
		return nil
	}
	g.h.turns(&inbox{}, func() error { require.NotEmpty(t, front.in); return heard() })
	require.True(t, g.HasWorker(g.back.id))

	front.in = make([][][]byte, 10*perTurn)
	for i := range front.in {
		front.in[i] = [][]byte{[]byte("garbage")}
	}
	g.Signal(front, true)
	g.h.turns(&inbox{}, func() error { return zmqnet.ErrClosed })
	require.ErrorIs(t, g.Err(), zmqnet.ErrClosed)
}

// A master that was stopped hears what has arrived meanwhile before it takes
// anybody for silent.
func TestStandstillIsNotSilence(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.listens()
	const pause = time.Hour
	ping := protocol.AppendPing(nil, protocol.RoleWorker)
	// More than one turn receives: nobody is judged before the last of it.
	for range 3 * perTurn {
		g.back.in = append(g.back.in, [][]byte{[]byte("garbage")})
	}
	g.back.in = append(g.back.in, [][]byte{ping})
	g.now += pause
	for g.Turn() { // without a signal: the timer was first
	}
	require.Empty(t, g.back.in)
	require.True(t, g.HasWorker(g.back.id))

	g.now += pause
	for g.Turn() {
	}
	require.False(t, g.HasWorker(g.back.id), "and now it was silent")
}

// A socket that is never empty puts off judgements, but not for ever.
func TestAFloodKeepsNobodyAlive(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.listens()
	g.now += time.Hour
	for range 10 * queueLength {
		g.back.in = append(g.back.in, [][]byte{[]byte("garbage")})
	}
	for n := 0; g.HasWorker(g.back.id); n++ {
		require.LessOrEqual(t, n, 2*mostUnjudged)
		require.True(t, g.Turn())
	}
}
