// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/dispatch"
	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

const patience = 10 * time.Second

// startServing starts a stand-alone hub on private ipc endpoints; the test's
// end drains it.
func startServing(t testing.TB, cfg Config) *Hub {
	dir := t.TempDir()
	var err error
	cfg.Frontend, err = endpoint.ParseBind("ipc://" + filepath.Join(dir, "frontend.sock"))
	require.NoError(t, err)
	cfg.Backend, err = endpoint.ParseBind("ipc://" + filepath.Join(dir, "backend.sock"))
	require.NoError(t, err)
	h, err := New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- h.Serve(ctx, time.Second, func() { close(ready) }) }()
	<-ready
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return h
}

// rawPeer is one DEALER and what a test wants to do with it.
type rawPeer struct {
	t      testing.TB
	s      *zmqnet.Socket
	poller *zmqnet.Poller
	m      zmqnet.Message
}

func dial(t testing.TB, to string) *rawPeer { return dialQueue(t, to, 200000) }

// dialQueue connects with queues of that many messages.
func dialQueue(t testing.TB, to string, queue int) *rawPeer {
	s, err := zmqnet.NewDealer(zmqnet.Options{SendHWM: queue, RecvHWM: queue})
	require.NoError(t, err)
	require.NoError(t, s.Connect(to))
	p := &rawPeer{t: t, s: s}
	p.poller, err = zmqnet.NewPoller()
	require.NoError(t, err)
	p.poller.Add(s)
	t.Cleanup(func() { _ = p.s.Close(0); _ = p.poller.Close() })
	require.Empty(t, p.receive()[0], "the probe comes first")
	return p
}

// receive returns the frames of the next message.
func (p *rawPeer) receive() [][]byte {
	p.t.Helper()
	end := time.Now().Add(patience)
	for {
		err := p.s.Recv(&p.m, nil)
		if err == nil {
			return p.m.Frames
		}
		require.ErrorIs(p.t, err, zmqnet.ErrAgain)
		require.True(p.t, time.Now().Before(end), "nothing arrived within %v", patience)
		require.NoError(p.t, p.poller.Wait(time.Until(end)))
	}
}

// expect returns the fields of the next message, which must be cmd; PINGs are
// passed over.
func (p *rawPeer) expect(cmd protocol.Command) []byte {
	p.t.Helper()
	for {
		frames := p.receive()
		head, fields, err := protocol.ParseHeader(frames[0])
		require.NoError(p.t, err)
		if head.Command == protocol.CommandPing && cmd != protocol.CommandPing {
			continue
		}
		require.Equal(p.t, cmd, head.Command)
		return fields
	}
}

func (p *rawPeer) send(frames ...[]byte) {
	p.t.Helper()
	end := time.Now().Add(patience)
	for {
		var err error
		switch len(frames) {
		case 1:
			err = p.s.Send1(frames[0])
		case 2:
			err = p.s.Send2(frames[0], frames[1])
		case 3:
			err = p.s.Send3(frames[0], frames[1], frames[2])
		}
		if !errors.Is(err, zmqnet.ErrAgain) || time.Now().After(end) {
			require.NoError(p.t, err)
			return
		}
		// Full, or just reconnecting.
		require.NoError(p.t, p.poller.Wait(time.Millisecond))
	}
}

func (p *rawPeer) register(role protocol.Role, reg protocol.Registration) protocol.Welcome {
	p.t.Helper()
	frame, err := protocol.AppendRegister(nil, role, reg)
	require.NoError(p.t, err)
	p.send(frame)
	w, err := protocol.ParseWelcome(p.expect(protocol.CommandWelcome))
	require.NoError(p.t, err)
	return w
}

func (p *rawPeer) submit(id uint64, service, payload string) {
	p.t.Helper()
	frame, err := protocol.RunnerJob{
		ID: id, TimeLeft: patience, Wait: protocol.WaitForever, Service: []byte(service),
	}.Append(nil)
	require.NoError(p.t, err)
	p.send(frame, []byte(payload))
}

func (p *rawPeer) result() (protocol.RunnerResult, string) {
	p.t.Helper()
	res, err := protocol.ParseRunnerResult(p.expect(protocol.CommandResult))
	require.NoError(p.t, err)
	return res, string(p.m.Frames[1])
}

func (p *rawPeer) job() (protocol.WorkerJob, string) {
	p.t.Helper()
	job, err := protocol.ParseWorkerJob(p.expect(protocol.CommandJob))
	require.NoError(p.t, err)
	return job, string(p.m.Frames[1])
}

func (p *rawPeer) answer(job protocol.WorkerJob, payload string) {
	p.t.Helper()
	p.send(protocol.WorkerResult{ID: job.ID, Attempt: job.Attempt}.Append(nil), []byte(payload))
}

func TestServeRelaysAJobAndItsResult(t *testing.T) {
	t.Parallel()
	h := startServing(t, Config{})
	w := dial(t, h.Backend())
	welcome := w.register(protocol.RoleWorker, protocol.Registration{Identity: "w", Services: []string{"up"}})
	require.Equal(t, h.Identity(), welcome.Identity)
	require.Equal(t, time.Second, welcome.Heartbeat)
	require.Zero(t, welcome.Batch, "no batches for a peer that did not offer them")
	r := dial(t, h.Frontend())
	r.register(protocol.RoleRunner, protocol.Registration{Identity: "r"})

	r.submit(7, "up", "hello")
	job, payload := w.job()
	require.Equal(t, "hello", payload)
	require.Equal(t, "up", string(job.Service))
	w.answer(job, "HELLO")
	res, payload := r.result()
	require.Equal(t, protocol.RunnerResult{ID: 7, Outcome: protocol.OutcomeOK, MayHaveRun: true}, res)
	require.Equal(t, "HELLO", payload)
}

func TestServeAnswersStrangersAndStatus(t *testing.T) {
	t.Parallel()
	h := startServing(t, Config{})
	w := dial(t, h.Backend())
	w.send(protocol.AppendPing(nil, protocol.RoleWorker))
	e, err := protocol.ParsePeerError(w.expect(protocol.CommandError))
	require.NoError(t, err)
	require.Equal(t, protocol.CodeUnregistered, e.Code)

	w.send(protocol.AppendPing(nil, protocol.RoleRunner))
	e, err = protocol.ParsePeerError(w.expect(protocol.CommandError))
	require.NoError(t, err)
	require.Equal(t, protocol.CodeWrongRole, e.Code)

	w.send([]byte("PHZ\x09W\x01"))
	e, err = protocol.ParsePeerError(w.expect(protocol.CommandError))
	require.NoError(t, err)
	require.Equal(t, protocol.CodeVersion, e.Code)

	w.register(protocol.RoleWorker, protocol.Registration{Identity: "w", PID: 42, Language: "raw"})
	s, err := h.Status(context.Background())
	require.NoError(t, err)
	require.Len(t, s.Workers, 1)
	require.Equal(t, "w", s.Workers[0].ID)
	require.Equal(t, 42, s.Workers[0].PID)
	require.Equal(t, []string{""}, s.Workers[0].Services)
	require.EqualValues(t, 1, s.Counters.Unknown)
	require.EqualValues(t, 2, s.Counters.Refused)
}

func TestServeDrainsRunningJobs(t *testing.T) {
	t.Parallel()
	h := startServing(t, Config{})
	w := dial(t, h.Backend())
	w.register(protocol.RoleWorker, protocol.Registration{Identity: "w"})
	r := dial(t, h.Frontend())
	r.register(protocol.RoleRunner, protocol.Registration{Identity: "r"})
	r.submit(1, "", "runs")
	job, _ := w.job()
	r.submit(2, "", "waits")
	require.Eventually(t, func() bool {
		s, err := h.Status(context.Background())
		return err == nil && s.Jobs.Waiting == 1
	}, patience, time.Millisecond)

	h.post(task{kind: taskDo, do: func() { h.beginDrain(patience) }})
	r.expect(protocol.CommandDrain)
	res, _ := r.result()
	require.Equal(t, protocol.RunnerResult{ID: 2, Outcome: protocol.OutcomeClosed}, res)
	r.submit(3, "", "too late")
	res, _ = r.result()
	require.Equal(t, protocol.RunnerResult{ID: 3, Outcome: protocol.OutcomeClosed}, res)
	w.answer(job, "done")
	res, payload := r.result()
	require.Equal(t, protocol.RunnerResult{ID: 1, Outcome: protocol.OutcomeOK, MayHaveRun: true}, res)
	require.Equal(t, "done", payload)
}

func TestServeOwnSocketOfAWorker(t *testing.T) {
	t.Parallel()
	h := startServing(t, Config{})
	own, err := zmqnet.NewRouter(zmqnet.Options{Probe: true})
	require.NoError(t, err)
	e, err := endpoint.ParseBind("ipc://" + filepath.Join(t.TempDir(), "own.sock"))
	require.NoError(t, err)
	bound, err := own.Bind(e)
	require.NoError(t, err)
	poller, err := zmqnet.NewPoller()
	require.NoError(t, err)
	poller.Add(own)
	served := make(chan error, 1)
	go func() { served <- serveOne(own, poller) }()
	// It stays open until its result was read: IMMEDIATE drops what was not.
	defer func() { _ = own.Close(0); _ = poller.Close() }()

	w := dial(t, h.Backend())
	w.register(protocol.RoleWorker, protocol.Registration{Identity: "w", Endpoint: bound})
	r := dial(t, h.Frontend())
	r.register(protocol.RoleRunner, protocol.Registration{Identity: "r"})
	r.submit(1, "", "over its own socket")
	res, payload := r.result()
	require.Equal(t, protocol.OutcomeOK, res.Outcome)
	require.Equal(t, "over its own socket", payload)
	require.NoError(t, <-served)
}

// serveOne echoes one job that comes over a worker's own socket.
func serveOne(own *zmqnet.Socket, poller *zmqnet.Poller) error {
	var m zmqnet.Message
	for {
		err := own.Recv(&m, nil)
		switch {
		case errors.Is(err, zmqnet.ErrAgain):
			if err := poller.Wait(patience); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		case m.IsProbe():
			continue
		}
		_, fields, err := protocol.ParseHeader(m.Frames[0])
		if err != nil {
			return err
		}
		job, err := protocol.ParseWorkerJob(fields)
		if err != nil {
			return err
		}
		return own.SendTo2(m.ID, protocol.WorkerResult{ID: job.ID, Attempt: job.Attempt}.Append(nil), m.Frames[1])
	}
}

func TestServeRefusesAnOwnSocketThatNobodyHolds(t *testing.T) {
	t.Parallel()
	h := startServing(t, Config{})
	w := dial(t, h.Backend())
	frame, err := protocol.AppendRegister(nil, protocol.RoleWorker, protocol.Registration{
		Identity: "w", Endpoint: "ipc://" + filepath.Join(t.TempDir(), "nobody.sock"),
	})
	require.NoError(t, err)
	w.send(frame)
	e, err := protocol.ParsePeerError(w.expect(protocol.CommandError))
	require.NoError(t, err)
	require.Equal(t, protocol.CodeRefused, e.Code)
	require.Contains(t, e.Text, "nobody.sock")
}

func TestOutcomesHaveTheSameNamesInCoreAndWire(t *testing.T) {
	t.Parallel()
	for o := dispatch.OutcomeOK; o <= dispatch.OutcomeClosed; o++ {
		require.Equal(t, outcomeOf[o].String(), o.String())
	}
}
