// SPDX-License-Identifier: Apache-2.0

package pythonworker

import (
	"errors"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// fakeMaster is a backend at which the test itself decides what a master says,
// also what a right one never would.
type fakeMaster struct {
	t      *testing.T
	socket *zmqnet.Socket
	poller *zmqnet.Poller
	where  string
	peer   string // the worker's connection, that of the last message
}

func newFakeMaster(t *testing.T) *fakeMaster {
	t.Helper()
	f := &fakeMaster{t: t}
	var err error
	f.socket, err = zmqnet.NewRouter(zmqnet.Options{Probe: true})
	require.NoError(t, err)
	e, err := endpoint.ParseBind("ipc://" + filepath.Join(tempDir(t), "backend.sock"))
	require.NoError(t, err)
	f.where, err = f.socket.Bind(e)
	require.NoError(t, err)
	f.poller, err = zmqnet.NewPoller()
	require.NoError(t, err)
	f.poller.Add(f.socket)
	t.Cleanup(func() {
		f.poller.Remove(f.socket)
		require.NoError(t, f.socket.Close(0))
		require.NoError(t, f.poller.Close())
	})
	return f
}

// next returns the worker's next message, which must be a certain one; PINGs are
// left out, unless wanted.
func (f *fakeMaster) next(want protocol.Command) (fields, payload []byte) {
	f.t.Helper()
	for {
		got, fields, payload := f.receive()
		if got != protocol.CommandPing || want == protocol.CommandPing {
			require.Equal(f.t, want, got)
			return fields, payload
		}
	}
}

// any tells what the worker's next message is; PINGs are left out.
func (f *fakeMaster) any() protocol.Command {
	f.t.Helper()
	for {
		if got, _, _ := f.receive(); got != protocol.CommandPing {
			return got
		}
	}
}

func (f *fakeMaster) receive() (got protocol.Command, fields, payload []byte) {
	f.t.Helper()
	var m zmqnet.Message
	for began := time.Now(); time.Since(began) < wait; {
		err := f.socket.Recv(&m, nil)
		if errors.Is(err, zmqnet.ErrAgain) {
			require.NoError(f.t, f.poller.Wait(time.Second))
			continue
		}
		require.NoError(f.t, err)
		head, fields, err := protocol.ParseHeader(m.Frames[0])
		require.NoError(f.t, err)
		require.Equal(f.t, protocol.RoleWorker, head.Role)
		require.Len(f.t, m.Frames, head.Frames(protocol.ToMaster))
		f.peer = m.ID
		if len(m.Frames) == 2 {
			payload = m.Frames[1]
		}
		return head.Command, fields, payload
	}
	f.t.Fatal("nothing more from the worker")
	return 0, nil, nil
}

func (f *fakeMaster) send(frames ...[]byte) {
	f.t.Helper()
	if len(frames) == 1 {
		require.NoError(f.t, f.socket.SendTo1(f.peer, frames[0]))
		return
	}
	require.Len(f.t, frames, 2)
	require.NoError(f.t, f.socket.SendTo2(f.peer, frames[0], frames[1]))
}

// registered reads a REGISTER and welcomes the worker.
func (f *fakeMaster) registered() protocol.Registration {
	f.t.Helper()
	fields, _ := f.next(protocol.CommandRegister)
	r, err := protocol.ParseRegistration(protocol.RoleWorker, fields)
	require.NoError(f.t, err)
	welcome, err := protocol.Welcome{
		Identity: "fake", Heartbeat: 20 * time.Millisecond, Liveness: 100, MaxMessage: protocol.MinMessage,
	}.Append(nil, protocol.RoleWorker)
	require.NoError(f.t, err)
	f.send(welcome)
	return r
}

func (f *fakeMaster) job(id uint64, service, payload string, left time.Duration) {
	f.t.Helper()
	head, err := protocol.WorkerJob{ID: id, Attempt: 3, Service: []byte(service), TimeLeft: left}.Append(nil)
	require.NoError(f.t, err)
	f.send(head, []byte(payload))
}

func (f *fakeMaster) result(id uint64, status byte) string {
	f.t.Helper()
	fields, payload := f.next(protocol.CommandResult)
	r, err := protocol.ParseWorkerResult(fields)
	require.NoError(f.t, err)
	require.Equal(f.t, id, r.ID)
	require.EqualValues(f.t, 3, r.Attempt)
	require.Equal(f.t, status, r.Status)
	require.Positive(f.t, r.Run)
	return string(payload)
}

// alive proves that the worker has read everything that was sent before, and
// made nothing of it.
func (f *fakeMaster) alive(id uint64) {
	f.t.Helper()
	f.job(id, "echo", strconv.FormatUint(id, 10), time.Second)
	require.Equal(f.t, strconv.FormatUint(id, 10), f.result(id, protocol.StatusOK))
}

func fake(t *testing.T) (*fakeMaster, *pyWorker) {
	t.Helper()
	requirePython(t)
	f := newFakeMaster(t)
	return f, startWorker(t, f.where)
}

func TestR42ReturnsWhatItCannotStart(t *testing.T) {
	t.Parallel()
	f, _ := fake(t)
	f.registered()
	f.job(1, "shout", "not its service", time.Second)
	f.job(2, "echo", "too late", 0)
	f.job(3, "", "nor the default service", time.Second)
	for _, id := range []uint64{1, 2, 3} {
		fields, _ := f.next(protocol.CommandReturn)
		ref, err := protocol.ParseJobRef(fields)
		require.NoError(t, err)
		require.Equal(t, protocol.JobRef{ID: id, Attempt: 3}, ref)
	}
	f.alive(4)
}

func TestR21RegistersOnceAndAgainWhenTold(t *testing.T) {
	t.Parallel()
	f, w := fake(t)
	fields, _ := f.next(protocol.CommandRegister)
	first, err := protocol.ParseRegistration(protocol.RoleWorker, fields)
	require.NoError(t, err)
	require.Equal(t, w.pid(), first.PID)
	unregistered := protocol.PeerError{Code: protocol.CodeUnregistered}.Append(nil, protocol.RoleWorker)
	f.send(unregistered) // its REGISTER waits for an answer: no other one
	f.job(1, "echo", "before WELCOME: not its job", time.Second)
	welcome, err := protocol.Welcome{Identity: "fake"}.Append(nil, protocol.RoleWorker)
	require.NoError(t, err)
	f.send(welcome)
	f.alive(2)
	f.send(unregistered)
	require.Equal(t, first.Identity, f.registered().Identity)
	f.alive(3)
}

func TestR52PingsAndPongs(t *testing.T) {
	t.Parallel()
	f, _ := fake(t)
	f.registered()
	began := time.Now()
	for range 10 {
		f.next(protocol.CommandPing)
	}
	require.GreaterOrEqual(t, time.Since(began), 100*time.Millisecond, "a PING each heartbeat of 20 ms, not more")
	f.send(protocol.AppendPing(nil, protocol.RoleWorker))
	f.next(protocol.CommandPong)
}

func TestR20DropsWhatIsMalformed(t *testing.T) {
	t.Parallel()
	f, _ := fake(t)
	f.registered()
	job, err := protocol.WorkerJob{ID: 1, Service: []byte("echo"), TimeLeft: time.Second}.Append(nil)
	require.NoError(t, err)
	for _, frames := range [][][]byte{
		{{0}},
		{[]byte("PHZ")},
		{[]byte("PHZ\x01W")},
		{[]byte("XYZ\x01W\x09")},
		{[]byte("PHZ\x02W\x09")},            // another version
		{[]byte("PHZ\x01R\x09")},            // another role
		{[]byte("PHZ\x01W\xff")},            // no such command
		{[]byte("PHZ\x01W\x04")},            // a command in the wrong direction
		{[]byte("PHZ\x01W\x03")},            // a JOB without a payload
		{[]byte("PHZ\x01W\x03"), {}},        // a JOB without fields
		{job[:len(job)-8], []byte("cut")},   // a JOB that is cut off
		{job},                               // a JOB without a payload frame
		{[]byte("PHZ\x01W\x09"), []byte{1}}, // a BYE with one
		{{}, []byte("not a probe")},
		{[]byte("PHZ\x01W\x02\x09")}, // a WELCOME that nobody waits for
		protocolRef(protocol.CommandCancel), protocolRef(protocol.CommandRecall),
		{protocol.PeerError{Code: protocol.CodeTooLarge, Text: "it goes on"}.Append(nil, protocol.RoleWorker)},
	} {
		f.send(frames...)
	}
	f.alive(2)
}

// protocolRef is about a job that the worker does not have.
func protocolRef(c protocol.Command) [][]byte {
	return [][]byte{protocol.JobRef{ID: 77, Attempt: 1}.Append(nil, c)}
}

func TestR41TooLongAResultIsAnError(t *testing.T) {
	t.Parallel()
	f, _ := fake(t)
	f.registered()
	f.job(1, "echo", string(make([]byte, protocol.MinMessage)), time.Second)
	require.Len(t, f.result(1, protocol.StatusOK), protocol.MinMessage)
	f.job(2, "echo", string(make([]byte, protocol.MinMessage+1)), time.Second) // more than a right master sends
	require.Contains(t, f.result(2, protocol.StatusError), "65536 are allowed")
}

func TestR59ServesUntilBye(t *testing.T) {
	t.Parallel()
	f, w := fake(t)
	f.registered()
	f.next(protocol.CommandPing)
	w.signal(syscall.SIGTERM)
	f.next(protocol.CommandDrain)
	f.alive(1) // it was under way
	f.next(protocol.CommandPing)
	f.send(protocol.AppendBye(nil, protocol.RoleWorker))
	require.Zero(t, w.exit(), &w.stderr)
}

// Asked to stop when a job may be under way already, it does not just go.
func TestR59WaitsForWelcomeBeforeItDrains(t *testing.T) {
	t.Parallel()
	f, w := fake(t)
	f.next(protocol.CommandRegister)
	w.signal(syscall.SIGTERM)
	welcome, err := protocol.Welcome{Identity: "fake"}.Append(nil, protocol.RoleWorker)
	require.NoError(t, err)
	head, err := protocol.WorkerJob{ID: 1, Attempt: 3, Service: []byte("echo"), TimeLeft: time.Second}.Append(nil)
	require.NoError(t, err)
	f.send(welcome)
	f.send(head, nil)
	// Which of the two comes first is a matter of when the signal was noticed.
	if c := f.any(); c == protocol.CommandDrain {
		f.result(1, protocol.StatusOK)
	} else {
		require.Equal(t, protocol.CommandResult, c)
		f.next(protocol.CommandDrain)
	}
	f.send(protocol.AppendBye(nil, protocol.RoleWorker))
	require.Zero(t, w.exit(), &w.stderr)
}

func TestR62ByeEndsTheRegistration(t *testing.T) {
	t.Parallel()
	f, w := fake(t)
	f.registered()
	f.send(protocol.AppendBye(nil, protocol.RoleWorker))
	f.job(1, "echo", "it belongs to the past", time.Second)
	f.send(protocol.PeerError{Code: protocol.CodeUnregistered}.Append(nil, protocol.RoleWorker))
	f.registered()
	f.alive(2)
	f.send(protocol.AppendBye(nil, protocol.RoleWorker))
	f.job(3, "echo", "so does this", time.Second)
	w.signal(syscall.SIGTERM)
	require.Zero(t, w.exit(), "without a registration there is nothing to drain")
}

func TestR27RefusedItExits(t *testing.T) {
	t.Parallel()
	for _, code := range []protocol.ErrorCode{protocol.CodeVersion, protocol.CodeRefused, protocol.CodeWrongRole, 99} {
		t.Run(code.String(), func(t *testing.T) {
			t.Parallel()
			f, w := fake(t)
			f.next(protocol.CommandRegister)
			// Codes 2 and 6 may carry the other role.
			f.send(protocol.PeerError{Code: code, Text: "go\x1b[2Jaway"}.Append(nil, protocol.RoleRunner))
			require.Equal(t, 1, w.exit())
			require.Contains(t, w.stderr.String(), `go\x1b[2Jaway`)
		})
	}
}
