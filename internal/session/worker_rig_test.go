// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/protocol"
)

// workerBench drives a Worker by hand and writes what comes out as words.
type workerBench struct {
	t   *testing.T
	w   *Worker
	now time.Duration
}

var testWorker = WorkerConfig{
	Services: []string{"", "square"}, Capacity: 1, Prefetch: 3,
	Patience: protocol.Patience, DrainTimeout: 30 * time.Second,
}

func newWorkerBench(t *testing.T, cfg WorkerConfig) *workerBench {
	t.Helper()
	return &workerBench{t: t, w: NewWorker(0, cfg)}
}

// step gives an event and expects exactly these words, in any case.
func (b *workerBench) step(ev WorkerEvent, want ...string) {
	b.t.Helper()
	got := []string{}
	for _, a := range b.w.Step(b.now, &ev, nil) {
		got = append(got, workerWords(&a))
	}
	if want == nil {
		want = []string{}
	}
	require.Equal(b.t, want, got, "at %v", b.now)
}

// wait lets time pass to the moment given, with a tick at every deadline, and
// expects these words in the end; "@" and a moment stands before each.
func (b *workerBench) wait(until time.Duration, want ...string) {
	b.t.Helper()
	got := []string{}
	for {
		at, ok := b.w.NextDeadline()
		if !ok || at > until {
			break
		}
		require.GreaterOrEqual(b.t, at, b.now, "a deadline in the past that a tick did not settle")
		b.now = at
		for _, a := range b.w.Step(b.now, &WorkerEvent{Kind: WorkerTick}, nil) {
			got = append(got, fmt.Sprintf("@%v %s", b.now, workerWords(&a)))
		}
		next, _ := b.w.NextDeadline()
		require.True(b.t, b.w.state == workerEnded || next > b.now, "a tick at %v leads to one at %v", b.now, next)
	}
	b.now = until
	if want == nil {
		want = []string{}
	}
	require.Equal(b.t, want, got)
}

func (b *workerBench) done(slot int, want ...string) {
	b.t.Helper()
	b.step(WorkerEvent{Kind: WorkerDone, Slot: slot}, want...)
}

func (b *workerBench) receive(frames [][]byte, want ...string) {
	b.t.Helper()
	b.step(WorkerEvent{Kind: WorkerReceived, Frames: frames}, want...)
}

func (b *workerBench) drain(want ...string) {
	b.t.Helper()
	b.step(WorkerEvent{Kind: WorkerDrain}, want...)
}

// registered returns a bench with a registered worker at time 0.
func registered(t *testing.T, cfg WorkerConfig) *workerBench {
	t.Helper()
	b := newWorkerBench(t, cfg)
	b.receive(probe(), "register")
	b.receive(welcome(), "up")
	return b
}

func workerWords(a *WorkerAction) string {
	peer := ""
	if a.Peer != "" {
		peer = " to " + a.Peer
	}
	switch a.Kind {
	case WorkerRegister:
		return "register"
	case WorkerUp:
		return "up"
	case WorkerDown:
		return "down: " + a.Reason.String()
	case WorkerReconnect:
		return "reconnect: " + a.Reason.String()
	case WorkerSend:
		return "send " + a.Command.String() + peer
	case WorkerReturn:
		return fmt.Sprintf("return %d/%d%s", a.Ref.ID, a.Ref.Attempt, peer)
	case WorkerStart:
		return fmt.Sprintf("start %d: %d/%d #%d", a.Slot, a.Job.ID, a.Job.Attempt, a.Job.Number)
	case WorkerCancel:
		return fmt.Sprintf("cancel %d: %s", a.Slot, a.Reason)
	case WorkerResult:
		return fmt.Sprintf("result %d: %d/%d%s", a.Slot, a.Ref.ID, a.Ref.Attempt, peer)
	case WorkerDropped:
		return "dropped"
	case WorkerEnd:
		return strings.TrimSpace("end: " + a.Reason.String() + " " + a.Text)
	}
	return "?"
}

// Messages of a master.

func probe() [][]byte { return [][]byte{{}} }

func welcome() [][]byte { return welcomeWith(protocol.Welcome{}) }

func welcomeWith(m protocol.Welcome) [][]byte {
	m.Identity = "master"
	frame, err := m.Append(nil, protocol.RoleWorker)
	if err != nil {
		panic(err)
	}
	return [][]byte{frame}
}

// job is one of the default service with a minute left.
func job(id uint64) [][]byte {
	return jobWith(protocol.WorkerJob{ID: id, Attempt: 1, TimeLeft: time.Minute})
}

func jobWith(m protocol.WorkerJob) [][]byte {
	frame, err := m.Append(nil)
	if err != nil {
		panic(err)
	}
	return [][]byte{frame, []byte("payload")}
}

func batchOf(ids ...uint64) [][]byte {
	frame := protocol.AppendBatchHeader(nil, protocol.RoleWorker)
	for _, id := range ids {
		var err error
		frame, err = protocol.WorkerJob{ID: id, Attempt: 1, TimeLeft: time.Minute}.AppendRecord(frame, []byte("payload"))
		if err != nil {
			panic(err)
		}
	}
	return [][]byte{frame}
}

func reference(cmd protocol.Command, id uint64, attempt uint32) [][]byte {
	return [][]byte{protocol.JobRef{ID: id, Attempt: attempt}.Append(nil, cmd)}
}

func peerError(code protocol.ErrorCode) [][]byte {
	return [][]byte{protocol.PeerError{Code: code, Text: "why"}.Append(nil, protocol.RoleWorker)}
}

func ping() [][]byte { return [][]byte{protocol.AppendPing(nil, protocol.RoleWorker)} }
func pong() [][]byte { return [][]byte{protocol.AppendPong(nil, protocol.RoleWorker)} }
func bye() [][]byte  { return [][]byte{protocol.AppendBye(nil, protocol.RoleWorker)} }
