// SPDX-License-Identifier: Apache-2.0

package worker_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/ledger"
	"github.com/powerhose/powerhose/protocol"
	"github.com/powerhose/powerhose/worker"
)

// gate is a handler that tells when it starts, and ends when it is told to or
// its context ends. It tells how that came.
type gate struct {
	started chan string
	release chan struct{}
	causes  chan error
}

func newGate() *gate {
	return &gate{started: make(chan string, 100), release: make(chan struct{}), causes: make(chan error, 100)}
}

func (g *gate) handle(ctx context.Context, job *worker.Job) ([]byte, error) {
	g.started <- job.Text()
	select {
	case <-g.release:
		return []byte("released"), nil
	case <-ctx.Done():
		g.causes <- context.Cause(ctx)
		return nil, ctx.Err()
	}
}

// deaf is the same without regard to its context.
func (g *gate) deaf(_ context.Context, job *worker.Job) ([]byte, error) {
	g.started <- job.Text()
	<-g.release
	return []byte("released"), nil
}

//
func TestCancelAndDeadline(t *testing.T) {
	t.Parallel()
	m, g := newMaster(t), newGate()
	r := start(t, worker.Config{Services: worker.Services{"": g.handle}, Backend: m.endpoint})
	m.admit()
	m.job(1, "", "one")
	recv(t, g.started)
	m.refer(protocol.CommandRecall, 1) // too late
	m.refer(protocol.CommandCancel, 1)
	require.ErrorIs(t, recv(t, g.causes), worker.ErrCancelled)
	require.Equal(t, protocol.StatusError, m.result(1).Status)
	m.refer(protocol.CommandCancel, 1) // it is gone

	m.jobWith(protocol.WorkerJob{ID: 2, Attempt: 1, TimeLeft: 20 * time.Millisecond}, "two")
	recv(t, g.started)
	require.ErrorIs(t, recv(t, g.causes), context.DeadlineExceeded)
	require.Equal(t, context.DeadlineExceeded.Error(), m.result(2).payload)
	m.leave(r)
}

//
func TestLedgerCountsAndFences(t *testing.T) {
	t.Parallel()
	m, g := newMaster(t), newGate()
	r := start(t, worker.Config{Services: worker.Services{"": g.handle}, Backend: m.endpoint})
	book, err := ledger.Open(m.register().Ledger)
	require.NoError(t, err)
	m.welcome(protocol.Welcome{Ledger: true, Prefetch: 32})
	m.job(1, "", "one")
	require.Equal(t, "one", recv(t, g.started))
	m.job(2, "", "two")
	m.job(3, "", "three")
	m.job(4, "", "four")
	m.job(5, "", "five")
	m.refer(protocol.CommandRecall, 2)
	m.returned(2)
	m.refer(protocol.CommandCancel, 4)
	m.returned(4)
	g.release <- struct{}{}
	m.result(1)
	require.Equal(t, "three", recv(t, g.started))

	// The master gives the worker up. It finds that the first three may have
	// started; the fifth never does.
	claimed, ok := book.CloseAndCount()
	require.True(t, ok)
	require.Equal(t, uint64(3), claimed)
	require.NoError(t, book.Release())
	m.mute = true // what it hears from now on is from a stranger
	g.release <- struct{}{}
	m.result(3)
	before := m.pings
	for m.pings == before { // it asks what is going on
		m.receivePing()
	}
	m.refuse(protocol.CodeUnregistered, "")
	m.mute = false
	second, err := ledger.Open(m.register().Ledger)
	require.NoError(t, err)
	m.welcome(protocol.Welcome{Ledger: true})
	m.job(6, "", "six")
	require.Equal(t, "six", recv(t, g.started))
	claimed, ok = second.CloseAndCount()
	require.True(t, ok)
	require.Equal(t, uint64(1), claimed)
	require.NoError(t, second.Release())
	g.release <- struct{}{}
	m.result(6)
	require.Empty(t, g.started)
	m.leave(r)
}

// receivePing takes one message, which must be PING.
func (m *master) receivePing() {
	m.t.Helper()
	got := m.receive()
	require.Equal(m.t, protocol.CommandPing, got.cmd, "%s came", got.cmd)
	m.pings++
}

//
func TestHeartbeatsWhileHandlersCompute(t *testing.T) {
	t.Parallel()
	m := newMaster(t)
	var stop atomic.Bool
	started := make(chan struct{}, 4)
	r := start(t, worker.Config{
		Services: worker.Services{"burn": func(context.Context, *worker.Job) ([]byte, error) {
			started <- struct{}{}
			for n := uint64(1); !stop.Load(); n++ {
				_ = n * n
			}
			return nil, nil
		}},
		Backend: m.endpoint, Capacity: 4,
	})
	m.register()
	m.welcome(protocol.Welcome{Heartbeat: 20 * time.Millisecond, Liveness: 100})
	m.jobs(1, 4, "burn", "")
	for range 4 {
		recv(t, started)
	}
	for range 10 {
		m.receivePing()
		m.send(protocol.AppendPong(nil, protocol.RoleWorker))
	}
	m.send(protocol.AppendPing(nil, protocol.RoleWorker))
	m.expect(protocol.CommandPong)
	stop.Store(true)
	m.results(4)
	m.leave(r)
}

//
func TestMasterRestarts(t *testing.T) {
	t.Parallel()
	m, g := newMaster(t), newGate()
	r := start(t, worker.Config{Services: worker.Services{"": g.handle, "deaf": g.deaf}, Backend: m.endpoint})
	m.admit()
	at := m.endpoint
	m.close()
	m = newMasterAt(t, at)
	m.register()
	m.welcome(protocol.Welcome{Heartbeat: 20 * time.Millisecond})

	// A job that runs is told, and the worker comes back when it has ended.
	m.job(1, "", "one")
	recv(t, g.started)
	m.close()
	require.ErrorIs(t, recv(t, g.causes), worker.ErrMasterLost)
	m = newMasterAt(t, at)
	m.register()
	m.welcome(protocol.Welcome{Heartbeat: 20 * time.Millisecond})

	m.job(2, "deaf", "two")
	recv(t, g.started)
	m.close()
	m = newMasterAt(t, at)
	quiet := make(chan struct{})
	time.AfterFunc(100*time.Millisecond, func() { close(quiet); g.release <- struct{}{} })
	m.register()
	select {
	case <-quiet:
	default:
		require.Fail(t, "registered while a handler of the earlier registration ran")
	}
	m.welcome(protocol.Welcome{})
	m.job(3, "deaf", "three")
	recv(t, g.started)
	g.release <- struct{}{}
	m.result(3) // and not that of job 2
	m.leave(r)
}

//
func TestEvicted(t *testing.T) {
	t.Parallel()
	m, g := newMaster(t), newGate()
	r := start(t, worker.Config{Services: worker.Services{"": g.handle}, Backend: m.endpoint})
	m.admit()
	m.job(1, "", "one")
	recv(t, g.started)
	m.job(2, "", "two") // waits, and is forgotten
	m.refuse(protocol.CodeUnregistered, "who are you?")
	require.ErrorIs(t, recv(t, g.causes), worker.ErrMasterLost)
	m.admit()
	m.send(protocol.AppendBye(nil, protocol.RoleWorker)) // the master ends
	m.send(nil)                                          // and another one is there
	m.admit()
	require.Empty(t, g.started)
	m.leave(r)
}

//
func TestSilentMaster(t *testing.T) {
	t.Parallel()
	m := newMaster(t)
	r := start(t, worker.Config{Services: worker.Services{"": worker.Text(upper)}, Backend: m.endpoint})
	m.register()
	first := m.conn
	m.mute = true
	m.welcome(protocol.Welcome{Heartbeat: 20 * time.Millisecond})
	m.register()
	require.NotEqual(t, first, m.conn, "over a new connection")
	m.mute = false
	m.welcome(protocol.Welcome{})
	m.leave(r)
}

// libzmq gives up a connection for ever over a frame that is too long.
func TestConnectsAgainAfterOversizeMessage(t *testing.T) {
	t.Parallel()
	m := newMaster(t)
	r := start(t, worker.Config{
		Services: worker.Services{"": worker.Text(upper)}, Backend: m.endpoint, MaxMessage: protocol.MinMessage,
	})
	m.register()
	m.welcome(protocol.Welcome{Heartbeat: 20 * time.Millisecond})
	m.job(1, "", strings.Repeat("x", protocol.MinMessage+1))
	m.admit()
	m.job(2, "", "text")
	m.result(2)
	m.leave(r)
}

//
func TestPatience(t *testing.T) {
	t.Parallel()
	cfg := worker.Config{
		Services: worker.Services{"": worker.Text(upper)},
		Backend:  ipcIn(t, "nobody.sock"), Patience: 150 * time.Millisecond,
	}
	begin := time.Now()
	require.ErrorIs(t, start(t, cfg).wait(), worker.ErrMasterGone)
	require.GreaterOrEqual(t, time.Since(begin), cfg.Patience)

	// A handler that runs is cancelled and does not hold up the end.
	m, g := newMaster(t), newGate()
	cfg.Backend, cfg.Services = m.endpoint, worker.Services{"": g.handle}
	r := start(t, cfg)
	m.register()
	m.welcome(protocol.Welcome{Heartbeat: 20 * time.Millisecond})
	m.job(1, "", "one")
	recv(t, g.started)
	m.close()
	require.ErrorIs(t, r.wait(), worker.ErrMasterGone)
	require.ErrorIs(t, recv(t, g.causes), worker.ErrMasterLost)
}

func TestWedged(t *testing.T) {
	t.Parallel()
	m, g := newMaster(t), newGate()
	r := start(t, worker.Config{
		Services: worker.Services{"": g.deaf}, Backend: m.endpoint, Patience: 150 * time.Millisecond,
	})
	m.admit()
	m.job(1, "", "one")
	recv(t, g.started)
	m.refuse(protocol.CodeUnregistered, "")
	require.ErrorIs(t, r.wait(), worker.ErrWedged)
	close(g.release)
}

//
func TestRefused(t *testing.T) {
	t.Parallel()
	m := newMaster(t)
	r := start(t, worker.Config{Services: worker.Services{"": worker.Text(upper)}, Backend: m.endpoint})
	m.register()
	m.refuse(protocol.CodeRefused, "no room\x1b[2J")
	err := r.wait()
	require.ErrorIs(t, err, worker.ErrRefused)
	require.Contains(t, err.Error(), "no room")
	require.NotContains(t, err.Error(), "\x1b", "a peer's text is escaped")
}

//
func TestDrainFinishesWhatWasSent(t *testing.T) {
	t.Parallel()
	m, g := newMaster(t), newGate()
	r := start(t, worker.Config{Services: worker.Services{"": g.handle}, Backend: m.endpoint})
	m.admit()
	m.job(1, "", "one")
	recv(t, g.started)
	m.job(2, "", "two")
	r.drain()
	m.expect(protocol.CommandDrain)
	m.job(3, "", "three") // it crossed the DRAIN
	for id := uint64(1); id <= 3; id++ {
		g.release <- struct{}{}
		require.Equal(t, "released", m.result(id).payload)
	}
	m.send(protocol.AppendPing(nil, protocol.RoleWorker))
	m.expect(protocol.CommandPong) // it serves until BYE
	m.send(protocol.AppendBye(nil, protocol.RoleWorker))
	require.NoError(t, r.wait())
}

func TestDrainWithoutMaster(t *testing.T) {
	t.Parallel()
	r := start(t, worker.Config{
		Services: worker.Services{"": worker.Text(upper)}, Backend: ipcIn(t, "nobody.sock"),
		Patience: time.Hour,
	})
	r.drain()
	require.NoError(t, r.wait())

	m := newMaster(t)
	r = start(t, worker.Config{Services: worker.Services{"": worker.Text(upper)}, Backend: m.endpoint})
	m.admit()
	m.job(1, "", "one")
	m.result(1)
	m.refuse(protocol.CodeUnregistered, "")
	m.register()
	r.drain()
	m.refuse(protocol.CodeUnregistered, "") // about the past
	m.welcome(protocol.Welcome{})
	m.expect(protocol.CommandDrain)
	m.send(nil) // another master: it leaves without registering
	require.NoError(t, r.wait())
}

//
func TestDrainTimeout(t *testing.T) {
	t.Parallel()
	m, g := newMaster(t), newGate()
	r := start(t, worker.Config{
		Services: worker.Services{"": g.handle, "deaf": g.deaf}, Backend: m.endpoint, Capacity: 2,
		DrainTimeout: 50 * time.Millisecond,
	})
	m.admit()
	m.job(1, "", "one")
	m.job(2, "deaf", "two")
	recv(t, g.started)
	recv(t, g.started)
	r.drain()
	m.expect(protocol.CommandDrain)
	m.expect(protocol.CommandBye)
	require.ErrorIs(t, r.wait(), worker.ErrDrainTimeout)
	require.ErrorIs(t, recv(t, g.causes), worker.ErrDrainTimeout)
	close(g.release)
}
