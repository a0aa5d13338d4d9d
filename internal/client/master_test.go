// SPDX-License-Identifier: Apache-2.0

package client

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"

	"github.com/stretchr/testify/require"
)

// testMaster is a master's frontend in one goroutine. The service of a job says
// what becomes of it:
//
//	""            its payload is the result
//	"seen"        the same, and it is told on seen
//	"hold"        nothing: no answer
//	"late"        answered "timed out waiting" when the time left is over
//	"outcome-N"   answered with that outcome; not run, except for 0, 1, 5 and 6
type testMaster struct {
	endpoint string
	welcome  protocol.Welcome
	router   *zmqnet.Socket
	poller   *zmqnet.Poller
	seen     chan seenJob
	byes     chan string
	holding  func() // called in the goroutine for each job held

	mu    sync.Mutex
	tasks []func() // guarded by mu
	end   bool     // guarded by mu
	ended chan struct{}

	// The goroutine's.
	msg     zmqnet.Message
	peers   map[string]protocol.Registration
	held    []heldJob
	batches int // BATCHes received
	pings   int
	cancels []uint64
	refuse  protocol.ErrorCode
	mute    bool   // no PONG
	status  []byte // instead of a sensible one
	out     []byte
	record  []byte
}

type seenJob struct {
	protocol.RunnerJob
	payload string
	peer    string
}

type heldJob struct {
	peer string
	id   uint64
}

func listen(address string, w protocol.Welcome) (*testMaster, error) {
	e, err := endpoint.ParseBind(address)
	if err != nil {
		return nil, err
	}
	m := &testMaster{
		welcome: w, peers: map[string]protocol.Registration{}, ended: make(chan struct{}),
		seen: make(chan seenJob, 4096), byes: make(chan string, 4096),
	}
	m.welcome.Identity, m.welcome.PID = "master-"+strconv.Itoa(os.Getpid()), os.Getpid()
	if w.MaxMessage == 0 {
		m.welcome.MaxMessage = 1 << 20
	}
	if m.poller, err = zmqnet.NewPoller(); err != nil {
		return nil, err
	}
	if m.router, err = zmqnet.NewRouter(zmqnet.Options{Probe: true, SendHWM: queueLength, RecvHWM: 1000}); err != nil {
		return nil, err
	}
	m.poller.Add(m.router)
	if m.endpoint, err = m.router.Bind(e); err != nil {
		m.close()
	}
	return m, err
}

func startMaster(t testing.TB, address string, change ...func(*protocol.Welcome)) *testMaster {
	t.Helper()
	var w protocol.Welcome
	for _, f := range change {
		f(&w)
	}
	m, err := listen(address, w)
	// libzmq gives back a tcp port a moment after its socket was closed.
	for end := time.Now().Add(patience); err != nil && time.Now().Before(end); yield() {
		m, err = listen(address, w)
	}
	require.NoError(t, err)
	go m.run()
	t.Cleanup(m.stop)
	return m
}

func batches(n int) func(*protocol.Welcome)   { return func(w *protocol.Welcome) { w.Batch = n } }
func largest(n int64) func(*protocol.Welcome) { return func(w *protocol.Welcome) { w.MaxMessage = n } }

func heartbeat(d time.Duration) func(*protocol.Welcome) {
	return func(w *protocol.Welcome) { w.Heartbeat = d }
}

// do has f called in the goroutine, and waits for it.
func (m *testMaster) do(f func()) {
	done := make(chan struct{})
	m.mu.Lock()
	m.tasks = append(m.tasks, func() { f(); close(done) })
	m.mu.Unlock()
	m.poller.Wake()
	<-done
}

// stop closes the socket without a word. Stopping twice is harmless.
func (m *testMaster) stop() {
	m.mu.Lock()
	m.end = true
	m.mu.Unlock()
	m.poller.Wake()
	<-m.ended
}

func (m *testMaster) run() {
	defer close(m.ended)
	for m.turn() {
		_ = m.poller.Wait(-1)
	}
	m.close()
}

func (m *testMaster) close() {
	m.poller.Remove(m.router)
	_ = m.router.Close(0)
	_ = m.poller.Close()
}

func (m *testMaster) turn() bool {
	for {
		m.mu.Lock()
		tasks, end := m.tasks, m.end
		m.tasks = nil
		m.mu.Unlock()
		for _, f := range tasks {
			f()
		}
		if end {
			return false
		}
		if m.router.Recv(&m.msg, nil) != nil {
			return true
		}
		m.message()
	}
}

func (m *testMaster) send(peer string, frame []byte) { _ = m.router.SendTo1(peer, frame) }

func (m *testMaster) error(peer string, code protocol.ErrorCode) {
	m.send(peer, protocol.PeerError{Code: code, Text: "no\n"}.Append(nil, protocol.RoleRunner))
}

func (m *testMaster) message() {
	peer := m.msg.ID
	if m.msg.IsProbe() {
		return
	}
	head, fields, err := protocol.ParseHeader(m.msg.Frames[0])
	if err != nil || head.Frames(protocol.ToMaster) != len(m.msg.Frames) {
		panic("malformed message from the runner")
	}
	if head.Command == protocol.CommandRegister {
		m.register(peer, fields)
		return
	}
	if _, ok := m.peers[peer]; !ok {
		if head.Command != protocol.CommandBye {
			m.error(peer, protocol.CodeUnregistered)
		}
		return
	}
	switch head.Command {
	case protocol.CommandJob:
		m.job(peer, fields, m.msg.Frames[1])
	case protocol.CommandBatch:
		m.batch(peer, fields)
	case protocol.CommandCancel:
		id, _ := protocol.ParseRunnerCancel(fields)
		m.cancels = append(m.cancels, id)
	case protocol.CommandPing:
		m.pings++
		if !m.mute {
			m.send(peer, protocol.AppendPong(nil, protocol.RoleRunner))
		}
	case protocol.CommandBye:
		m.byes <- m.peers[peer].Identity
		delete(m.peers, peer)
	case protocol.CommandStatus:
		text, _ := json.Marshal(protocol.MasterStatus{Identity: m.welcome.Identity, Runners: len(m.peers)})
		if m.status != nil {
			text = m.status
		}
		_ = m.router.SendTo2(peer, protocol.AppendStatus(nil), text)
	}
}

func (m *testMaster) register(peer string, fields []byte) {
	reg, err := protocol.ParseRegistration(protocol.RoleRunner, fields)
	if err != nil {
		panic(err)
	}
	if m.refuse != 0 {
		m.error(peer, m.refuse)
		return
	}
	m.peers[peer] = reg
	frame, err := m.welcome.Append(nil, protocol.RoleRunner)
	if err != nil {
		panic(err)
	}
	m.send(peer, frame)
}

func (m *testMaster) batch(peer string, fields []byte) {
	m.batches++
	m.out = protocol.AppendBatchHeader(m.out[:0], protocol.RoleRunner)
	start := len(m.out)
	r := protocol.ReadBatch(fields)
	n := 0
	for {
		_, fields, payload, ok := r.Next()
		if !ok {
			break
		}
		n++
		job, err := protocol.ParseRunnerJob(fields)
		if err != nil {
			panic(err)
		}
		if result, payload, ok := m.decide(peer, job, payload); ok {
			m.out, _ = result.AppendRecord(m.out, payload)
		}
	}
	if r.Err() != nil || n > m.welcome.Batch || int64(len(m.msg.Frames[0])) > m.welcome.MaxMessage {
		panic("bad batch")
	}
	if len(m.out) > start {
		m.send(peer, m.out)
	}
}

func (m *testMaster) job(peer string, fields, payload []byte) {
	job, err := protocol.ParseRunnerJob(fields)
	if err != nil || int64(len(payload)) > m.welcome.MaxMessage {
		panic("bad job")
	}
	if result, payload, ok := m.decide(peer, job, payload); ok {
		m.answer(peer, result, payload)
	}
}

func (m *testMaster) answer(peer string, result protocol.RunnerResult, payload []byte) {
	m.record = result.Append(m.record[:0])
	_ = m.router.SendTo2(peer, m.record, payload)
}

// decide says what the answer is, if there is one now.
func (m *testMaster) decide(peer string, job protocol.RunnerJob, payload []byte) (protocol.RunnerResult, []byte, bool) {
	result := protocol.RunnerResult{ID: job.ID, Outcome: protocol.OutcomeOK, MayHaveRun: true}
	switch name := string(job.Service); name {
	case "":
	case "seen":
		m.seen <- seenJob{RunnerJob: job, payload: string(payload), peer: peer}
	case "hold":
		m.held = append(m.held, heldJob{peer, job.ID})
		if m.holding != nil {
			m.holding()
		}
		m.seen <- seenJob{RunnerJob: job, payload: string(payload), peer: peer}
		return result, nil, false
	case "late":
		result.Outcome, result.MayHaveRun = protocol.OutcomeTimedOutWaiting, false
		time.AfterFunc(job.TimeLeft, func() { m.do(func() { m.answer(peer, result, []byte("the master says so")) }) })
		return result, nil, false
	default:
		n, err := strconv.Atoi(strings.TrimPrefix(name, "outcome-"))
		if err != nil {
			panic(name)
		}
		result.Outcome, result.RetryAfter = protocol.Outcome(n), 7*time.Millisecond
		result.MayHaveRun = n < 2 || n == 5 || n == 6
	}
	return result, payload, true
}

// answerHeld answers everything that is held.
func (m *testMaster) answerHeld(outcome protocol.Outcome, mayHaveRun bool) {
	m.do(func() {
		for _, h := range m.held {
			m.answer(h.peer, protocol.RunnerResult{ID: h.id, Outcome: outcome, MayHaveRun: mayHaveRun}, []byte("held"))
		}
		m.held = nil
	})
}

// tell sends a frame to every runner.
func (m *testMaster) tell(frames ...[]byte) {
	m.do(func() {
		for peer := range m.peers {
			switch len(frames) {
			case 1:
				_ = m.router.SendTo1(peer, frames[0])
			case 2:
				_ = m.router.SendTo2(peer, frames[0], frames[1])
			}
		}
	})
}

// awaitSeen waits for a job of the services "seen" and "hold".
func (m *testMaster) awaitSeen(t testing.TB) seenJob {
	t.Helper()
	select {
	case job := <-m.seen:
		return job
	case <-time.After(patience):
		require.FailNow(t, "the job did not arrive")
		return seenJob{}
	}
}
