// SPDX-License-Identifier: Apache-2.0

package worker_test

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
	"github.com/powerhose/powerhose/worker"
)

// reach connects a DEALER to the worker's own socket and waits for its probe.
func (m *master) reach(at string) *zmqnet.Socket {
	m.t.Helper()
	_, err := endpoint.Parse(at)
	require.NoError(m.t, err)
	s, err := zmqnet.NewDealer(zmqnet.Options{})
	require.NoError(m.t, err)
	m.t.Cleanup(func() { _ = s.Close(0) })
	require.NoError(m.t, s.Connect(at))
	msg := m.receiveFrom(s)
	require.True(m.t, msg.IsProbe())
	return s
}

func (m *master) receiveFrom(s *zmqnet.Socket) *zmqnet.Message {
	m.t.Helper()
	poller, err := zmqnet.NewPoller()
	require.NoError(m.t, err)
	defer poller.Close()
	poller.Add(s)
	defer poller.Remove(s)
	var msg zmqnet.Message
	for deadline := time.Now().Add(patience); ; {
		err := s.Recv(&msg, nil)
		if err == nil {
			return &msg
		}
		require.ErrorIs(m.t, err, zmqnet.ErrAgain)
		require.Positive(m.t, time.Until(deadline), "nothing came")
		require.NoError(m.t, poller.Wait(time.Until(deadline)))
	}
}

//
func TestListen(t *testing.T) {
	t.Parallel()
	for name, listen := range map[string]string{"ipc": ipcIn(t, "own.sock"), "tcp": "tcp://127.0.0.1:0"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, g := newMaster(t), newGate()
			r := start(t, worker.Config{Services: worker.Services{"": g.handle}, Backend: m.endpoint, Listen: listen})
			reg := m.register()
			require.NotEmpty(t, reg.Endpoint)
			require.Empty(t, reg.Ledger)
			require.Zero(t, reg.Prefetch)
			own := m.reach(reg.Endpoint)

			// A job may overtake the WELCOME, and one on the other connection is
			// none.
			header, err := protocol.WorkerJob{ID: 1, Attempt: 1, TimeLeft: time.Minute}.Append(nil)
			require.NoError(t, err)
			require.NoError(t, own.Send2(header, []byte("one")))
			m.send(nil) // a second probe: it begins anew
			second := m.register()
			require.NotEqual(t, reg.Endpoint, second.Endpoint, "each registration has its own socket")
			own = m.reach(second.Endpoint)
			require.NoError(t, own.Send2(header, []byte("again")))
			m.welcome(protocol.Welcome{})
			m.job(9, "", "stray")
			require.Equal(t, "again", recv(t, g.started))
			require.Empty(t, g.started)
			g.release <- struct{}{}
			msg := m.receiveFrom(own)
			require.Len(t, msg.Frames, 2)
			require.Equal(t, "released", string(msg.Frames[1]))

			require.NoError(t, own.Send2(header, []byte("cancelled")))
			recv(t, g.started)
			require.NoError(t, own.Send1(protocol.JobRef{ID: 1, Attempt: 1}.Append(nil, protocol.CommandCancel)))
			require.ErrorIs(t, recv(t, g.causes), worker.ErrCancelled)
			m.receiveFrom(own)
			require.NoError(t, own.Send2(header, []byte("running")))
			recv(t, g.started)
			require.NoError(t, own.Send1(protocol.AppendPing(nil, protocol.RoleWorker)))
			require.Equal(t, protocol.AppendPong(nil, protocol.RoleWorker), m.receiveFrom(own).Frames[0])
			g.release <- struct{}{}
			m.receiveFrom(own)

			// The master's connection breaks: the answer goes nowhere.
			require.NoError(t, own.Send2(header, []byte("lost")))
			recv(t, g.started)
			require.NoError(t, own.Close(0))
			g.release <- struct{}{}
			m.send(protocol.AppendPing(nil, protocol.RoleWorker))
			m.expect(protocol.CommandPong)
			m.leave(r)
		})
	}
}

// A worker that was killed leaves its sockets behind.
func TestListenRemovesStaleSockets(t *testing.T) {
	t.Parallel()
	m := newMaster(t)
	listen := ipcIn(t, "own.sock")
	path := strings.TrimPrefix(listen, "ipc://")
	socket := func(name string, lock bool) net.Listener {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path + name, Net: "unix"})
		require.NoError(t, err)
		l.SetUnlinkOnClose(false)
		if lock {
			require.NoError(t, os.WriteFile(path+name+".lock", []byte("1\n"), 0o600))
		}
		return l
	}
	for _, name := range []string{".2", ".17", ".x", ".02", "2", ".0"} {
		require.NoError(t, socket(name, true).Close())
	}
	require.NoError(t, socket(".4", false).Close()) // nobody of us
	live := socket(".3", true)
	defer live.Close()
	require.NoError(t, os.WriteFile(path+".5", nil, 0o600))
	e, err := endpoint.ParseBind(listen + ".6")
	require.NoError(t, err)
	other, err := zmqnet.NewRouter(zmqnet.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close(0)) }()
	_, err = other.Bind(e)
	require.NoError(t, err)

	r := start(t, worker.Config{Services: worker.Services{"": worker.Text(upper)}, Backend: m.endpoint, Listen: listen})
	require.Equal(t, listen+".1", m.register().Endpoint)
	require.NoFileExists(t, path+".2")
	require.NoFileExists(t, path+".17")
	for _, name := range []string{".x", ".02", "2", ".0", ".3", ".4", ".5", ".6"} {
		require.FileExists(t, path+name)
	}
	m.welcome(protocol.Welcome{})
	m.leave(r)
}

func TestListenWhereItCannot(t *testing.T) {
	t.Parallel()
	m := newMaster(t)
	r := start(t, worker.Config{
		Services: worker.Services{"": worker.Text(upper)}, Backend: m.endpoint,
		Listen: ipcIn(t, "no/such/directory/own.sock"),
	})
	for len(r.ended) == 0 { // only looking sends the probe
		require.NoError(t, m.poller.Wait(10*time.Millisecond))
	}
	require.ErrorContains(t, r.wait(), "no/such/directory")
}
