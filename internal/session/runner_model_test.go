// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"
	"testing"
	"time"

	"github.com/powerhose/powerhose/protocol"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// modelMaster is a master that knows what really happened.
type modelMaster struct {
	alive      bool
	wanted     bool // the runner's socket is connected, or trying
	connection bool
	registered bool
	count      uint64 // registrations
	draining   bool
	holds      []*holding // in this connection, not answered
}

// holding is a job at a master.
type holding struct {
	*modelJob
	started bool // there
}

// modelJob is a job and the truth about it.
type modelJob struct {
	*RunnerJob
	id        uint64 // of its latest sending
	allowed   int    // starts
	ran       int    // starts
	holders   int    // masters that have not answered, those that lost their connection included
	sent      int
	returned  int // times a master gave it back
	submitted bool
	answers   int
}

// runnerModel is a Runner, its owner and its masters.
type runnerModel struct {
	r       *Runner
	now     time.Duration
	masters []*modelMaster
	jobs    []*modelJob
	idle    []*modelJob
	full    int
}

func newRunnerModel(t *rapid.T) *runnerModel {
	w := &runnerModel{full: rapid.IntRange(1, 6).Draw(t, "full")}
	n := rapid.IntRange(1, 3).Draw(t, "masters")
	w.r = NewRunner(RunnerConfig{Masters: n, FullAfter: w.full, MaxUnsent: 8, MaxUnsentBytes: 1000, MaxPayload: 200})
	for range n {
		w.masters = append(w.masters, &modelMaster{})
	}
	w.step(t, RunnerEvent{Kind: RunnerTick})
	return w
}

func (w *runnerModel) step(t *rapid.T, ev RunnerEvent) {
	out := w.r.Step(w.now, &ev, nil)
	for _, a := range out {
		w.perform(t, a)
	}
	checkRunner(t, w.r)
}

func (w *runnerModel) perform(t *rapid.T, a RunnerAction) {
	if a.Kind == RunnerAnswer {
		w.answered(t, a.Job.Ref.(*modelJob))
		return
	}
	m := w.masters[a.Master]
	switch a.Kind {
	case RunnerConnect:
		require.False(t, m.wanted, "connected twice")
		m.wanted = true
	case RunnerDisconnect:
		require.True(t, m.wanted, "disconnected twice")
		m.wanted = false
		m.cut()
	case RunnerSendRegister, RunnerSendPing, RunnerSendPong, RunnerSendBye, RunnerSendCancel:
		if !m.connection {
			w.step(t, RunnerEvent{Kind: RunnerUnsent, Master: a.Master})
		}
	case RunnerUp:
		m.count = a.Registration
	}
}

// cut ends the connection. Those who hold a job may start it nevertheless.
func (m *modelMaster) cut() {
	m.connection, m.registered, m.draining = false, false, false
	m.holds = nil
}

func (w *runnerModel) answered(t *rapid.T, j *modelJob) {
	require.True(t, j.submitted)
	j.answers++
	require.Equal(t, 1, j.answers, "answered twice")
	if !j.MayHaveRun {
		require.Zero(t, j.ran, "it ran, but its caller is told it did not: %v", j.Outcome)
		require.Zero(t, j.holders, "it can still run, but its caller is told it did not: %v", j.Outcome)
	}
	if !j.MasterLost && j.Outcome == protocol.OutcomeOK {
		require.True(t, j.MayHaveRun)
	}
	require.LessOrEqual(t, w.now, max(j.Deadline, w.now), "late")
	w.jobs = slices.DeleteFunc(w.jobs, func(other *modelJob) bool { return other == j })
	j.submitted = false
	if j.holders == 0 {
		w.idle = append(w.idle, j) // its RunnerJob is used again
	}
}

// send fetches what is to be sent, some at a time, as the owner does.
func (w *runnerModel) send(t *rapid.T) {
	for {
		master, rj := w.r.Next()
		if rj == nil {
			return
		}
		for i := range master {
			require.NotEqual(t, runnerUp, w.r.masters[i].state, "an earlier one is up")
		}
		m, j := w.masters[master], rj.Ref.(*modelJob)
		if !m.connection || len(m.holds) >= 2*w.full {
			w.step(t, RunnerEvent{Kind: RunnerUnsent, Master: master, Jobs: []*RunnerJob{rj}})
			continue
		}
		require.NotEqual(t, j.id, rj.ID(), "an id was used again")
		j.id = rj.ID()
		require.Less(t, rj.TimeLeft(w.now), rj.Deadline-w.now)
		m.holds = append(m.holds, &holding{modelJob: j})
		j.holders++
		j.sent++
		require.LessOrEqual(t, j.sent-j.returned, j.allowed, "it may be started more often than allowed")
	}
}

func (w *runnerModel) anyMaster(t *rapid.T) (int, *modelMaster) {
	i := rapid.IntRange(0, len(w.masters)-1).Draw(t, "master")
	return i, w.masters[i]
}

func (w *runnerModel) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"time":    w.pass,
		"submit":  w.submit,
		"cancel":  w.cancel,
		"start":   w.start,
		"kill":    w.kill,
		"break":   w.breakSocket,
		"welcome": w.welcome,
		"verdict": w.verdict,
		"run":     w.run,
		"drain":   w.drain,
		"forget":  w.forget,
		"noise":   w.noise,
		"": func(t *rapid.T) {
			w.send(t)
			checkRunner(t, w.r)
		},
	}
}

func (w *runnerModel) pass(t *rapid.T) {
	w.now += rapid.SampledFrom([]time.Duration{
		0, time.Microsecond, 300 * time.Microsecond, time.Millisecond, 10 * time.Millisecond,
		100 * time.Millisecond, time.Second, 5 * time.Second,
	}).Draw(t, "time")
	w.step(t, RunnerEvent{Kind: RunnerTick})
	for _, j := range w.jobs {
		require.Less(t, w.now, j.Deadline, "no answer at its deadline")
	}
	at, ok := w.r.NextDeadline()
	require.True(t, ok)
	require.Greater(t, at, w.now, "due, but not done")
}

func (w *runnerModel) submit(t *rapid.T) {
	j := &modelJob{}
	if len(w.idle) > 0 && rapid.Bool().Draw(t, "again") {
		j = w.idle[0]
		w.idle = w.idle[1:]
		*j = modelJob{RunnerJob: j.RunnerJob, id: j.id}
	} else {
		j.RunnerJob = NewRunnerJob()
	}
	j.Ref = j
	j.PayloadSize = rapid.Int64Range(0, 220).Draw(t, "size")
	j.Size = j.PayloadSize + 5
	j.Deadline = w.now + rapid.SampledFrom([]time.Duration{
		-1, 100 * time.Microsecond, time.Millisecond, 50 * time.Millisecond, time.Second, 20 * time.Second,
	}).Draw(t, "timeout")
	j.Wait = rapid.SampledFrom([]time.Duration{protocol.WaitForever, 0, 5 * time.Millisecond, time.Hour}).Draw(t, "wait")
	j.Retries = uint8(rapid.IntRange(0, 2).Draw(t, "retries"))
	j.allowed = 1 + int(j.Retries)
	j.submitted = true
	w.jobs = append(w.jobs, j)
	w.step(t, RunnerEvent{Kind: RunnerSubmit, Job: j.RunnerJob})
}

func (w *runnerModel) cancel(t *rapid.T) {
	if len(w.jobs) > 0 {
		j := w.jobs[rapid.IntRange(0, len(w.jobs)-1).Draw(t, "job")]
		w.step(t, RunnerEvent{Kind: RunnerCancel, Job: j.RunnerJob})
	}
}

// start starts a master, or has libzmq find it.
func (w *runnerModel) start(t *rapid.T) {
	i, m := w.anyMaster(t)
	m.alive = true
	if m.wanted && !m.connection {
		m.connection = true
		w.step(t, RunnerEvent{Kind: RunnerProbe, Master: i})
	}
}

// kill ends a master's process or just the connection to it; the runner may
// hear of it, or find out.
func (w *runnerModel) kill(t *rapid.T) {
	i, m := w.anyMaster(t)
	m.alive = rapid.Bool().Draw(t, "alive")
	count := m.count
	m.cut()
	if !m.alive && rapid.Bool().Draw(t, "noticed") {
		w.step(t, RunnerEvent{Kind: RunnerGone, Master: i, Registration: count - uint64(rapid.IntRange(0, 1).Draw(t, "old"))})
	}
}

func (w *runnerModel) breakSocket(t *rapid.T) {
	i, m := w.anyMaster(t)
	m.wanted = false
	m.cut()
	w.step(t, RunnerEvent{Kind: RunnerBroken, Master: i})
}

func (w *runnerModel) welcome(t *rapid.T) {
	i, m := w.anyMaster(t)
	if !m.connection {
		return
	}
	if rapid.IntRange(0, 9).Draw(t, "refuse") == 0 {
		w.step(t, RunnerEvent{Kind: RunnerError, Master: i, Err: protocol.PeerError{Code: protocol.CodeRefused}})
		return
	}
	w.step(t, RunnerEvent{Kind: RunnerWelcome, Master: i, Welcome: &protocol.Welcome{
		Heartbeat: 500 * time.Millisecond, Liveness: 2, MaxMessage: rapid.Int64Range(100, 300).Draw(t, "max"),
	}})
}

// held picks a job that a connected master has.
func (w *runnerModel) held(t *rapid.T) (int, *holding) {
	i, m := w.anyMaster(t)
	if len(m.holds) == 0 {
		return i, nil
	}
	return i, m.holds[rapid.IntRange(0, len(m.holds)-1).Draw(t, "held")]
}

func (w *runnerModel) run(t *rapid.T) {
	if _, h := w.held(t); h != nil {
		h.start()
	}
}

func (h *holding) start() {
	if !h.started {
		h.started = true
		h.ran++
	}
}

func (w *runnerModel) verdict(t *rapid.T) {
	i, h := w.held(t)
	if h == nil {
		return
	}
	outcome := protocol.Outcome(rapid.IntRange(0, int(protocol.OutcomeClosed)).Draw(t, "outcome"))
	if outcome == protocol.OutcomeOK || outcome == protocol.OutcomeJobError {
		h.start()
	}
	m := w.masters[i]
	m.holds = slices.DeleteFunc(m.holds, func(other *holding) bool { return other == h })
	h.holders--
	if outcome == protocol.OutcomeClosed && !h.started {
		h.returned++
	}
	// A master tells the truth about itself, and knows nothing of others.
	w.step(t, RunnerEvent{
		Kind: RunnerResult, Master: i, ID: h.id, Outcome: outcome, MayHaveRun: h.started,
	})
}

func (w *runnerModel) drain(t *rapid.T) {
	i, m := w.anyMaster(t)
	if m.connection {
		w.step(t, RunnerEvent{Kind: RunnerDrain, Master: i})
	}
}

func (w *runnerModel) forget(t *rapid.T) {
	i, m := w.anyMaster(t)
	if m.connection {
		m.holds = nil
		w.step(t, RunnerEvent{Kind: RunnerError, Master: i, Err: protocol.PeerError{Code: protocol.CodeUnregistered}})
	}
}

func (w *runnerModel) noise(t *rapid.T) {
	i, _ := w.anyMaster(t)
	kind := rapid.SampledFrom([]RunnerEventKind{RunnerResult, RunnerWritable, RunnerHeard, RunnerPing, RunnerUnsent}).Draw(t, "kind")
	if kind == RunnerUnsent && w.masters[i].connection {
		return
	}
	w.step(t, RunnerEvent{Kind: kind, Master: i, ID: rapid.Uint64Range(0, 1<<26).Draw(t, "id")})
}

// Whatever happens, each job is answered once and by its deadline, is not
// started more often than its caller allows, and "not run" is true.
func TestRunnerModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newRunnerModel(t)
		t.Repeat(w.actions())
		if rapid.Bool().Draw(t, "close") {
			w.step(t, RunnerEvent{Kind: RunnerClose})
		} else {
			w.now += time.Minute
			w.step(t, RunnerEvent{Kind: RunnerTick})
		}
		require.Empty(t, w.jobs, "jobs without an answer")
		require.Zero(t, w.r.Unanswered())
	})
}
