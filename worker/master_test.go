// SPDX-License-Identifier: Apache-2.0

package worker_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
	"github.com/powerhose/powerhose/worker"
)

// patience is how long a test waits for something that must come.
const patience = 20 * time.Second

// master is a master that does what the test says, message by message, in the
// test's goroutine.
type master struct {
	t        testing.TB
	router   *zmqnet.Socket
	poller   *zmqnet.Poller
	msg      zmqnet.Message
	endpoint string
	conn     string // of the worker heard last
	reg      protocol.Registration
	pings    int  // answered while waiting for something else
	mute     bool // do not answer PING
}

// message is what a worker sent.
type message struct {
	cmd     protocol.Command
	fields  []byte
	payload []byte
}

func newMaster(t testing.TB) *master {
	return newMasterAt(t, ipcIn(t, "backend.sock"))
}

// ipcIn returns an ipc endpoint in a folder of its own, with a path short
// enough for a socket wherever temporary folders are.
func ipcIn(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ph")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return "ipc://" + filepath.Join(dir, name)
}

func newMasterAt(t testing.TB, at string) *master {
	t.Helper()
	e, err := endpoint.ParseBind(at)
	require.NoError(t, err)
	router, err := zmqnet.NewRouter(zmqnet.Options{Probe: true, SendHWM: 10_000, RecvHWM: 10_000})
	require.NoError(t, err)
	m := &master{t: t, router: router}
	m.endpoint, err = router.Bind(e)
	require.NoError(t, err)
	m.poller, err = zmqnet.NewPoller()
	require.NoError(t, err)
	m.poller.Add(router)
	t.Cleanup(m.close)
	return m
}

func (m *master) close() {
	_ = m.poller.Close()
	_ = m.router.Close(0)
}

// receive returns the next message, of whatever kind.
func (m *master) receive() message {
	m.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := m.router.Recv(&m.msg, nil)
		if err == nil {
			break
		}
		require.ErrorIs(m.t, err, zmqnet.ErrAgain)
		left := time.Until(deadline)
		require.Positive(m.t, left, "nothing came from the worker")
		require.NoError(m.t, m.poller.Wait(left))
	}
	head, fields, err := protocol.ParseHeader(m.msg.Frames[0])
	require.NoError(m.t, err)
	require.Equal(m.t, protocol.RoleWorker, head.Role)
	require.Len(m.t, m.msg.Frames, head.Frames(protocol.ToMaster), head.Command)
	m.conn = m.msg.ID
	got := message{cmd: head.Command, fields: fields}
	if len(m.msg.Frames) == 2 {
		got.payload = m.msg.Frames[1]
	}
	return got
}

// next returns the next message that is not PING, and answers those.
func (m *master) next() message {
	m.t.Helper()
	for {
		got := m.receive()
		if got.cmd != protocol.CommandPing {
			return got
		}
		m.pings++
		if !m.mute {
			m.send(protocol.AppendPong(nil, protocol.RoleWorker))
		}
	}
}

func (m *master) expect(cmd protocol.Command) message {
	m.t.Helper()
	got := m.next()
	require.Equal(m.t, cmd, got.cmd, "%s came", got.cmd)
	return got
}

func (m *master) send(frames ...[]byte) {
	m.t.Helper()
	require.NoError(m.t, m.trySend(frames...))
}

func (m *master) trySend(frames ...[]byte) error {
	switch len(frames) {
	case 1:
		return m.router.SendTo1(m.conn, frames[0])
	case 2:
		return m.router.SendTo2(m.conn, frames[0], frames[1])
	}
	return errors.New("one or two frames")
}

// register waits for REGISTER.
func (m *master) register() protocol.Registration {
	m.t.Helper()
	got := m.expect(protocol.CommandRegister)
	reg, err := protocol.ParseRegistration(protocol.RoleWorker, got.fields)
	require.NoError(m.t, err)
	m.reg = reg
	return reg
}

func (m *master) welcome(w protocol.Welcome) {
	m.t.Helper()
	w.Identity = "master"
	frame, err := w.Append(nil, protocol.RoleWorker)
	require.NoError(m.t, err)
	m.send(frame)
}

// admit registers the worker without batches and ledger.
func (m *master) admit() {
	m.t.Helper()
	m.register()
	m.welcome(protocol.Welcome{})
}

func (m *master) refuse(code protocol.ErrorCode, text string) {
	m.t.Helper()
	m.send(protocol.PeerError{Code: code, Text: text}.Append(nil, protocol.RoleWorker))
}

// job sends a job with a minute left.
func (m *master) job(id uint64, service, payload string) {
	m.t.Helper()
	m.jobWith(protocol.WorkerJob{ID: id, Attempt: 1, TimeLeft: time.Minute, Service: []byte(service)}, payload)
}

func (m *master) jobWith(j protocol.WorkerJob, payload string) {
	m.t.Helper()
	header, err := j.Append(nil)
	require.NoError(m.t, err)
	m.send(header, []byte(payload))
}

// jobs sends a BATCH of jobs with the same payload, numbered from first on.
func (m *master) jobs(first uint64, n int, service, payload string) {
	m.t.Helper()
	m.send(batchOf(m.t, first, n, service, payload))
}

func batchOf(t testing.TB, first uint64, n int, service, payload string) []byte {
	t.Helper()
	frame := protocol.AppendBatchHeader(nil, protocol.RoleWorker)
	for i := range n {
		var err error
		frame, err = protocol.WorkerJob{
			ID: first + uint64(i), Attempt: 1, TimeLeft: time.Minute, Service: []byte(service),
		}.AppendRecord(frame, []byte(payload))
		require.NoError(t, err)
	}
	return frame
}

func (m *master) refer(cmd protocol.Command, id uint64) {
	m.t.Helper()
	m.send(protocol.JobRef{ID: id, Attempt: 1}.Append(nil, cmd))
}

// answer is a RESULT.
type answer struct {
	protocol.WorkerResult
	payload string
	batched bool
}

// results waits for that many RESULTs.
func (m *master) results(n int) []answer {
	m.t.Helper()
	var all []answer
	for len(all) < n {
		got := m.next()
		switch got.cmd {
		case protocol.CommandResult:
			res, err := protocol.ParseWorkerResult(got.fields)
			require.NoError(m.t, err)
			all = append(all, answer{WorkerResult: res, payload: string(got.payload)})
		case protocol.CommandBatch:
			records := protocol.ReadBatch(got.fields)
			for {
				_, fields, payload, ok := records.Next()
				if !ok {
					break
				}
				res, err := protocol.ParseWorkerResult(fields)
				require.NoError(m.t, err)
				all = append(all, answer{WorkerResult: res, payload: string(payload), batched: true})
			}
			require.NoError(m.t, records.Err())
		default:
			require.Fail(m.t, "no RESULT", "%s came", got.cmd)
		}
	}
	require.Len(m.t, all, n)
	return all
}

// result waits for the RESULT of a job.
func (m *master) result(id uint64) answer {
	m.t.Helper()
	got := m.results(1)[0]
	require.Equal(m.t, id, got.ID)
	require.Equal(m.t, uint32(1), got.Attempt)
	require.Positive(m.t, got.Run, "the run time is measured")
	return got
}

func (m *master) returned(id uint64) {
	m.t.Helper()
	ref, err := protocol.ParseJobRef(m.expect(protocol.CommandReturn).fields)
	require.NoError(m.t, err)
	require.Equal(m.t, protocol.JobRef{ID: id, Attempt: 1}, ref)
}

// runner is a Worker that runs in this process.
type runner struct {
	t     testing.TB
	drain context.CancelFunc
	ended chan error
	once  sync.Once
	err   error
}

// start runs a worker until the test ends, when it must not wait for a master.
func start(t testing.TB, cfg worker.Config) *runner {
	t.Helper()
	w, err := worker.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	r := &runner{t: t, drain: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		r.once.Do(func() { r.err = <-r.ended })
	})
	return r
}

// wait returns what Run returned.
func (r *runner) wait() error {
	r.t.Helper()
	r.once.Do(func() {
		select {
		case r.err = <-r.ended:
		case <-time.After(patience):
			require.Fail(r.t, "Run does not return")
		}
	})
	return r.err
}

// leave drains the worker, which has nothing to do.
func (m *master) leave(r *runner) {
	m.t.Helper()
	r.drain()
	m.expect(protocol.CommandDrain)
	m.send(protocol.AppendBye(nil, protocol.RoleWorker))
	require.NoError(m.t, r.wait())
}

// recv waits for a value.
func recv[T any](t testing.TB, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(patience):
		require.Fail(t, "nothing came")
	}
	return v
}
