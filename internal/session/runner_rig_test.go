// SPDX-License-Identifier: Apache-2.0

package session

import (
	"testing"
	"time"

	"github.com/powerhose/powerhose/protocol"

	"github.com/stretchr/testify/require"
)

// runnerRig steps a Runner by hand.
type runnerRig struct {
	*testing.T
	r   *Runner
	now time.Duration
}

func newRunnerRig(t *testing.T, cfg RunnerConfig) *runnerRig {
	if cfg.Masters == 0 {
		cfg.Masters = 1
	}
	return &runnerRig{T: t, r: NewRunner(cfg), now: time.Hour}
}

func (g *runnerRig) step(ev RunnerEvent) []RunnerAction {
	g.Helper()
	out := g.r.Step(g.now, &ev, nil)
	checkRunner(g, g.r)
	return out
}

// on steps an event of a master and requires exactly these kinds of actions.
func (g *runnerRig) on(ev RunnerEvent, want ...RunnerActionKind) []RunnerAction {
	g.Helper()
	out := g.step(ev)
	var got []RunnerActionKind
	for _, a := range out {
		got = append(got, a.Kind)
	}
	require.Equal(g, want, got)
	return out
}

// pass lets time pass and requires exactly these kinds of actions.
func (g *runnerRig) pass(d time.Duration, want ...RunnerActionKind) []RunnerAction {
	g.Helper()
	g.now += d
	return g.on(RunnerEvent{Kind: RunnerTick}, want...)
}

// connect performs the first step.
func (g *runnerRig) connect() {
	g.Helper()
	for i, a := range g.step(RunnerEvent{Kind: RunnerTick}) {
		require.Equal(g, RunnerAction{Kind: RunnerConnect, Master: i}, a)
	}
}

// beat is the heartbeat of the rig's masters, long enough not to be in the way.
const beat = time.Minute

func (g *runnerRig) welcome(master int, change ...func(*protocol.Welcome)) []RunnerAction {
	g.Helper()
	w := protocol.Welcome{Identity: "m", Heartbeat: beat, Liveness: 3, MaxMessage: 1 << 20}
	for _, f := range change {
		f(&w)
	}
	return g.step(RunnerEvent{Kind: RunnerWelcome, Master: master, Welcome: &w})
}

// up brings a master up that is connecting.
func (g *runnerRig) up(master int, change ...func(*protocol.Welcome)) []RunnerAction {
	g.Helper()
	g.on(RunnerEvent{Kind: RunnerProbe, Master: master}, RunnerSendRegister)
	out := g.welcome(master, change...)
	require.Equal(g, RunnerUp, out[0].Kind)
	return out[1:]
}

// question of a job whose deadline is a second away.
func (g *runnerRig) job(change ...func(*RunnerJob)) *RunnerJob {
	j := NewRunnerJob()
	j.Size, j.PayloadSize, j.Deadline, j.Wait = 110, 100, g.now+time.Second, protocol.WaitForever
	for _, f := range change {
		f(j)
	}
	return j
}

func (g *runnerRig) submit(change ...func(*RunnerJob)) *RunnerJob {
	g.Helper()
	j := g.job(change...)
	g.on(RunnerEvent{Kind: RunnerSubmit, Job: j})
	return j
}

// sent submits a job and takes it out again for that master.
func (g *runnerRig) sent(master int, change ...func(*RunnerJob)) *RunnerJob {
	g.Helper()
	j := g.submit(change...)
	g.next(master, j)
	return j
}

// next requires that these jobs are to be sent to the master now, in order.
func (g *runnerRig) next(master int, jobs ...*RunnerJob) {
	g.Helper()
	for _, want := range jobs {
		m, j := g.r.Next()
		require.Same(g, want, j)
		require.Equal(g, master, m)
	}
	g.nothingNext()
}

func (g *runnerRig) nothingNext() {
	g.Helper()
	_, j := g.r.Next()
	require.Nil(g, j)
	checkRunner(g, g.r)
}

func (g *runnerRig) result(j *RunnerJob, outcome protocol.Outcome, mayHaveRun bool, want ...RunnerActionKind) {
	g.Helper()
	g.on(RunnerEvent{
		Kind: RunnerResult, Master: int(j.master), ID: j.ID(), Outcome: outcome, MayHaveRun: mayHaveRun, Payload: []byte("p"),
	}, want...)
}

// verdict is what a caller is told.
type verdict struct {
	Outcome    protocol.Outcome
	MasterLost bool
	MayHaveRun bool
}

var (
	lostNotRun  = verdict{MasterLost: true}
	lostMaybe   = verdict{MasterLost: true, MayHaveRun: true}
	tooLateWait = verdict{Outcome: protocol.OutcomeTimedOutWaiting}
	tooLateRun  = verdict{Outcome: protocol.OutcomeTimedOutRunning, MayHaveRun: true}
)

func (g *runnerRig) answered(want verdict, jobs ...*RunnerJob) {
	g.Helper()
	for _, j := range jobs {
		require.Equal(g, runnerJobIdle, j.state, "it has no answer")
		require.Equal(g, want, verdict{j.Outcome, j.MasterLost, j.MayHaveRun})
	}
}

// checkSame is require.Same, for pointers that may be nil.
func checkSame(t require.TestingT, want, got *RunnerJob) {
	if want != got {
		require.Same(t, want, got)
	}
}

// checkRunner requires what is true between any two steps.
func checkRunner(t require.TestingT, r *Runner) {
	live := 0
	count := func(l *runnerList, states ...runnerJobState) {
		n, bytes := 0, int64(0)
		var last *RunnerJob
		for j := l.first; j != nil; j = j.next {
			require.Contains(t, states, j.state)
			require.Same(t, l, j.list)
			checkSame(t, last, j.prev)
			require.Same(t, j, r.slots.jobs[j.slot])
			require.Same(t, j, r.timers[j.timer].job)
			require.LessOrEqual(t, r.timers[j.timer].at, j.Deadline)
			last = j
			n++
			bytes += j.Size
		}
		checkSame(t, last, l.last)
		require.Equal(t, l.n, n)
		require.Equal(t, l.bytes, bytes)
		live += n
	}
	count(&r.again, runnerJobWaiting)
	count(&r.fresh, runnerJobWaiting)
	first := -1
	for i := range r.masters {
		m := &r.masters[i]
		count(&m.sent, runnerJobSent, runnerJobCancelling)
		require.GreaterOrEqual(t, m.owed, 0)
		if !m.registered() {
			require.Zero(t, m.sent.n)
			require.False(t, m.blocked)
		}
		if first < 0 && m.state == runnerUp {
			first = i
		}
	}
	require.Equal(t, first, r.target)
	require.Equal(t, live, r.Unanswered())
	require.Len(t, r.timers, live)
	for i := range r.timers {
		if i > 0 {
			require.LessOrEqual(t, r.timers[(i-1)/timerFan].at, r.timers[i].at)
		}
	}
}
