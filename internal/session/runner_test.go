// SPDX-License-Identifier: Apache-2.0

package session

import (
	"testing"
	"time"

	"github.com/powerhose/powerhose/protocol"

	"github.com/stretchr/testify/require"
)

func TestRunnerJobIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	g := newRunnerRig(t, RunnerConfig{Masters: 2})
	g.connect()
	g.up(0)
	g.up(1)
	j := g.sent(0)
	first := j.ID()
	g.on(RunnerEvent{Kind: RunnerResult, Master: 1, ID: first}) // not the one that has it
	g.result(j, protocol.OutcomeJobError, true, RunnerAnswer)
	g.answered(verdict{Outcome: protocol.OutcomeJobError, MayHaveRun: true}, j)
	require.Equal(t, "p", string(j.Payload))
	g.on(RunnerEvent{Kind: RunnerResult, ID: first})
	g.on(RunnerEvent{Kind: RunnerCancel, Job: j})
	g.on(RunnerEvent{Kind: RunnerResult, ID: 0})
	g.on(RunnerEvent{Kind: RunnerResult, ID: 1<<64 - 1})
	require.Equal(t, uint64(4), g.r.Stats().Late)

	// The same call again: an answer to its earlier life finds nothing.
	j.Deadline = g.now + time.Second
	g.on(RunnerEvent{Kind: RunnerSubmit, Job: j})
	g.on(RunnerEvent{Kind: RunnerResult, ID: first})
	g.next(0, j)
	require.NotEqual(t, first, j.ID())
	g.on(RunnerEvent{Kind: RunnerResult, ID: first})
	g.result(j, protocol.OutcomeBusy, false, RunnerAnswer)
	g.answered(verdict{Outcome: protocol.OutcomeBusy}, j)
}

func TestRunnerPrefersTheFirstMasterThatIsUp(t *testing.T) {
	t.Parallel()
	g := newRunnerRig(t, RunnerConfig{Masters: 3})
	g.connect()
	a := g.submit()
	g.nothingNext()
	g.up(2)
	g.next(2, a)
	g.up(0)
	g.sent(0)
	g.up(1)
	g.sent(0)
	g.on(RunnerEvent{Kind: RunnerGone, Master: 0, Registration: 1}, RunnerDown, RunnerAnswer, RunnerAnswer, RunnerDisconnect, RunnerConnect)
	g.sent(1)
	g.up(0)
	g.sent(0)
}

func TestRunnerJobsWaitForAMasterInOrder(t *testing.T) {
	t.Parallel()
	g := newRunnerRig(t, RunnerConfig{})
	g.connect()
	a, b, c := g.submit(), g.submit(), g.submit()
	g.nothingNext()
	g.on(RunnerEvent{Kind: RunnerCancel, Job: b}, RunnerAnswer)
	g.answered(verdict{Outcome: protocol.OutcomeCancelled}, b)
	g.up(0)
	g.next(0, a, c)
}

func TestRunnerWaitingIsBounded(t *testing.T) {
	t.Parallel()
	g := newRunnerRig(t, RunnerConfig{MaxUnsent: 3, MaxUnsentBytes: 250})
	g.connect()
	busy := verdict{Outcome: protocol.OutcomeBusy}
	small := func(j *RunnerJob) { j.Size = 10 }
	g.submit()
	b := g.submit()
	j := g.job()
	g.on(RunnerEvent{Kind: RunnerSubmit, Job: j}, RunnerAnswer) // too many octets
	g.answered(busy, j)
	g.submit(small)
	j = g.job(small)
	g.on(RunnerEvent{Kind: RunnerSubmit, Job: j}, RunnerAnswer) // too many
	g.answered(busy, j)
	g.on(RunnerEvent{Kind: RunnerCancel, Job: b}, RunnerAnswer)
	g.submit(small)
	g.up(0)
	for range 100 {
		g.submit() // they do not wait
	}
}

func TestRunnerUnsentJobsExpire(t *testing.T) {
	t.Parallel()
	wait := func(d time.Duration) func(*RunnerJob) { return func(j *RunnerJob) { j.Wait = d } }
	for _, c := range []struct {
		name   string
		change func(*RunnerJob)
		after  time.Duration
	}{
		{"at their deadlines", wait(protocol.WaitForever), time.Second - MinMargin},
		{"when they may not wait", wait(0), 0},
		{"when they waited enough", wait(time.Millisecond), time.Millisecond},
		{"when they may wait beyond their deadlines", wait(time.Hour), time.Second - MinMargin},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := newRunnerRig(t, RunnerConfig{})
			g.connect()
			j := g.submit(c.change)
			at, ok := g.r.NextDeadline()
			require.True(t, ok)
			require.Equal(t, g.now+c.after, at)
			g.pass(c.after, RunnerAnswer)
			g.answered(lostNotRun, j)

			g.up(0)
			j = g.submit(c.change)
			g.pass(c.after, RunnerAnswer)
			g.answered(tooLateWait, j) // nobody fetched it, but there was a master
		})
	}
}

func TestRunnerDeadlinePassedAtSubmit(t *testing.T) {
	t.Parallel()
	g := newRunnerRig(t, RunnerConfig{})
	g.connect()
	for _, left := range []time.Duration{-time.Hour, 0, MinMargin} {
		j := g.job(func(j *RunnerJob) { j.Deadline = g.now + left })
		g.on(RunnerEvent{Kind: RunnerSubmit, Job: j}, RunnerAnswer)
		g.answered(lostNotRun, j)
	}
	g.up(0)
	j := g.job(func(j *RunnerJob) { j.Deadline = g.now })
	g.on(RunnerEvent{Kind: RunnerSubmit, Job: j}, RunnerAnswer)
	g.answered(tooLateWait, j)
}

func TestRunnerTellsTheMasterLessTimeThanThereIs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ left, told time.Duration }{
		{time.Hour, time.Hour - MaxMargin},
		{1600 * time.Millisecond, 1550 * time.Millisecond},
		{160 * time.Millisecond, 155 * time.Millisecond},
		{64 * time.Millisecond, 62 * time.Millisecond},
		{20 * time.Millisecond, 18 * time.Millisecond},
		{4 * time.Millisecond, 3 * time.Millisecond},
		{400 * time.Microsecond, 200 * time.Microsecond},
		{201 * time.Microsecond, time.Microsecond},
		{100 * time.Microsecond, 0},
		{-time.Second, 0},
	} {
		j := &RunnerJob{Deadline: time.Minute}
		require.Equal(t, c.told, j.TimeLeft(time.Minute-c.left))
	}
	g := newRunnerRig(t, RunnerConfig{})
	g.connect()
	g.up(0)
	j := g.sent(0, func(j *RunnerJob) { j.Wait = 100 * time.Millisecond })
	require.Equal(t, 60*time.Millisecond, j.WaitLeft(g.now+40*time.Millisecond))
	require.Zero(t, j.WaitLeft(g.now+time.Second))
	j = g.sent(0, func(j *RunnerJob) { j.Wait = time.Second })
	require.Equal(t, protocol.WaitForever, j.WaitLeft(g.now))
	j = g.sent(0, func(j *RunnerJob) { j.Wait = 0 })
	require.Zero(t, j.WaitLeft(g.now))
	g.pass(0, nil...) // its time to wait is over, but it was sent
	g.result(j, protocol.OutcomeOK, true, RunnerAnswer)
}

func TestRunnerSentJobTimesOutAtItsDeadline(t *testing.T) {
	t.Parallel()
	g := newRunnerRig(t, RunnerConfig{})
	g.connect()
	g.up(0)
	j := g.sent(0)
	g.pass(time.Second-1, nil...)
	g.pass(1, RunnerAnswer)
	g.answered(tooLateRun, j)
}

func TestRunnerCancelOfASentJob(t *testing.T) {
	t.Parallel()
	cancelled := verdict{Outcome: protocol.OutcomeCancelled, MayHaveRun: true}
	cancelling := func(t *testing.T, change ...func(*RunnerJob)) (*runnerRig, *RunnerJob) {
		g := newRunnerRig(t, RunnerConfig{})
		g.connect()
		g.up(0)
		j := g.sent(0, change...)
		out := g.on(RunnerEvent{Kind: RunnerCancel, Job: j}, RunnerSendCancel)
		require.Equal(t, j.ID(), out[0].ID)
		g.on(RunnerEvent{Kind: RunnerCancel, Job: j})
		return g, j
	}
	t.Run("verdict in time", func(t *testing.T) {
		t.Parallel()
		g, j := cancelling(t)
		g.result(j, protocol.OutcomeCancelled, false, RunnerAnswer)
		g.answered(verdict{Outcome: protocol.OutcomeCancelled}, j)
	})
	t.Run("no verdict", func(t *testing.T) {
		t.Parallel()
		g, j := cancelling(t)
		g.pass(cancelPatience-1, nil...)
		g.pass(1, RunnerAnswer)
		g.answered(cancelled, j)
	})
	t.Run("the deadline is nearer", func(t *testing.T) {
		t.Parallel()
		g, j := cancelling(t, func(j *RunnerJob) { j.Deadline += time.Millisecond - time.Second })
		g.pass(time.Millisecond, RunnerAnswer)
		g.answered(cancelled, j)
	})
	t.Run("master lost", func(t *testing.T) {
		t.Parallel()
		g, j := cancelling(t, func(j *RunnerJob) { j.Retries = 5 })
		g.on(RunnerEvent{Kind: RunnerGone, Registration: 1}, RunnerDown, RunnerAnswer, RunnerDisconnect, RunnerConnect)
		g.answered(cancelled, j)
	})
	t.Run("master drains", func(t *testing.T) {
		t.Parallel()
		g, j := cancelling(t)
		g.result(j, protocol.OutcomeClosed, false, RunnerDown, RunnerAnswer)
		g.answered(verdict{Outcome: protocol.OutcomeCancelled}, j)
	})
	t.Run("job was never sent", func(t *testing.T) {
		t.Parallel()
		g, j := cancelling(t)
		g.on(RunnerEvent{Kind: RunnerUnsent, Jobs: []*RunnerJob{j}}, RunnerAnswer, RunnerDown, RunnerDisconnect, RunnerConnect)
		g.answered(verdict{Outcome: protocol.OutcomeCancelled}, j)
	})
}

func TestRunnerRetriesWhenItsCallerAllows(t *testing.T) {
	t.Parallel()
	g := newRunnerRig(t, RunnerConfig{Masters: 2})
	g.connect()
	g.up(0)
	g.up(1)
	j := g.sent(0, func(j *RunnerJob) { j.Retries, j.Wait = 1, 0 })
	first := j.ID()
	g.on(RunnerEvent{Kind: RunnerGone, Registration: 1}, RunnerDown, RunnerDisconnect, RunnerConnect)
	fresh := g.submit()
	g.next(1, j, fresh) // it goes before those that came after it
	require.NotEqual(t, first, j.ID())
	require.Zero(t, j.Retries)
	require.Equal(t, uint64(1), g.r.Stats().Retried)
	require.Equal(t, protocol.WaitForever, j.WaitLeft(g.now))
	// The second master knows nothing of the first.
	g.result(j, protocol.OutcomeNoWorker, false, RunnerAnswer)
	g.answered(verdict{Outcome: protocol.OutcomeNoWorker, MayHaveRun: true}, j)

	j = g.sent(1, func(j *RunnerJob) { j.Retries = 1 })
	g.on(RunnerEvent{Kind: RunnerGone, Master: 1, Registration: 1}, RunnerDown, RunnerAnswer, RunnerDisconnect, RunnerConnect)
	g.answered(lostMaybe, fresh)
	g.nothingNext()
	g.pass(time.Second-MinMargin, RunnerAnswer)
	g.answered(lostMaybe, j)

	j = g.submit(func(j *RunnerJob) { j.Retries = 2 })
	g.up(0)
	g.next(0, j)
	g.on(RunnerEvent{Kind: RunnerGone, Master: 0, Registration: 2}, RunnerDown, RunnerDisconnect)
	g.on(RunnerEvent{Kind: RunnerCancel, Job: j}, RunnerAnswer)
	g.answered(verdict{Outcome: protocol.OutcomeCancelled, MayHaveRun: true}, j)
}

func TestRunnerMovesWhatADrainingMasterGivesBack(t *testing.T) {
	t.Parallel()
	g := newRunnerRig(t, RunnerConfig{Masters: 2})
	g.connect()
	g.up(0)
	a := g.sent(0)
	b := g.sent(0)
	c := g.sent(0)
	g.result(a, protocol.OutcomeClosed, false, RunnerDown)
	g.result(b, protocol.OutcomeClosed, false)
	g.result(c, protocol.OutcomeClosed, true, RunnerAnswer) // it may have run
	g.answered(verdict{Outcome: protocol.OutcomeClosed, MayHaveRun: true}, c)
	g.nothingNext()
	g.up(1)
	g.next(1, a, b)
	g.result(a, protocol.OutcomeOK, true, RunnerAnswer)

	g.result(b, protocol.OutcomeClosed, false, RunnerDown)
	g.pass(byePause, RunnerSendBye, RunnerSendBye)
	g.pass(time.Second-MinMargin-byePause, RunnerAnswer)
	g.answered(verdict{Outcome: protocol.OutcomeClosed}, b)
	require.Equal(t, uint64(3), g.r.Stats().Moved)
}

func TestRunnerTooLarge(t *testing.T) {
	t.Parallel()
	tooLarge := verdict{Outcome: protocol.OutcomeTooLarge}
	size := func(n int64) func(*RunnerJob) { return func(j *RunnerJob) { j.Size, j.PayloadSize = n+10, n } }
	g := newRunnerRig(t, RunnerConfig{Masters: 2, MaxPayload: 1000})
	g.connect()
	j := g.job(size(1001))
	g.on(RunnerEvent{Kind: RunnerSubmit, Job: j}, RunnerAnswer)
	g.answered(tooLarge, j)

	a, b := g.submit(size(1000)), g.submit(size(500))
	out := g.up(1, func(w *protocol.Welcome) { w.MaxMessage = 500 })
	require.Len(t, out, 1)
	require.Same(t, a, out[0].Job)
	g.answered(tooLarge, a)
	g.next(1, b)
	j = g.job(size(501))
	g.on(RunnerEvent{Kind: RunnerSubmit, Job: j}, RunnerAnswer)
	g.answered(tooLarge, j)
	g.up(0)
	g.sent(0, size(1000))
}

func TestRunnerReject(t *testing.T) {
	t.Parallel()
	g := newRunnerRig(t, RunnerConfig{})
	g.connect()
	g.up(0)
	j := g.sent(0)
	g.on(RunnerEvent{Kind: RunnerReject, Job: j, Outcome: protocol.OutcomeRefused}, RunnerAnswer)
	g.answered(verdict{Outcome: protocol.OutcomeRefused}, j)
	g.on(RunnerEvent{Kind: RunnerReject, Job: j, Outcome: protocol.OutcomeRefused})
}

func TestRunnerClose(t *testing.T) {
	t.Parallel()
	g := newRunnerRig(t, RunnerConfig{Masters: 3})
	g.connect()
	g.up(0)
	sent, cancelling := g.sent(0), g.sent(0)
	g.on(RunnerEvent{Kind: RunnerCancel, Job: cancelling}, RunnerSendCancel)
	g.on(RunnerEvent{Kind: RunnerDrain}, RunnerDown)
	waiting := g.submit()
	g.on(RunnerEvent{Kind: RunnerProbe, Master: 1}, RunnerSendRegister)
	g.on(RunnerEvent{Kind: RunnerClose}, RunnerSendBye, RunnerAnswer, RunnerAnswer, RunnerAnswer)
	g.answered(verdict{Outcome: protocol.OutcomeClosed, MayHaveRun: true}, sent, cancelling)
	g.answered(verdict{Outcome: protocol.OutcomeClosed}, waiting)
	_, ok := g.r.NextDeadline()
	require.False(t, ok)

	g.on(RunnerEvent{Kind: RunnerClose})
	g.on(RunnerEvent{Kind: RunnerUnsent})
	g.on(RunnerEvent{Kind: RunnerProbe})
	g.welcome(1)
	g.pass(time.Hour, nil...)
	j := g.job()
	g.on(RunnerEvent{Kind: RunnerSubmit, Job: j}, RunnerAnswer)
	g.answered(verdict{Outcome: protocol.OutcomeClosed}, j)
}

func TestRunnerIgnoresMastersThatDoNotExist(t *testing.T) {
	t.Parallel()
	g := newRunnerRig(t, RunnerConfig{})
	g.connect()
	g.on(RunnerEvent{Kind: RunnerProbe, Master: 1})
	g.on(RunnerEvent{Kind: RunnerProbe, Master: -1})
}

func TestRunnerReasonsHaveNames(t *testing.T) {
	t.Parallel()
	for r := RunnerSilent; r <= RunnerSocketBroken; r++ {
		require.NotEqual(t, "unknown reason", r.String())
	}
	require.Equal(t, "unknown reason", RunnerReason(0).String())
	require.Equal(t, "unknown reason", RunnerReason(200).String())
}
