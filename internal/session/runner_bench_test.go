// SPDX-License-Identifier: Apache-2.0

package session

import (
	"testing"
	"time"

	"github.com/powerhose/powerhose/protocol"

	"github.com/stretchr/testify/require"
)

// runnerLoop is a Runner with many jobs on their way, answered in the order in
// which they were sent.
type runnerLoop struct {
	r    *Runner
	now  time.Duration
	out  []RunnerAction
	jobs []*RunnerJob
	next int
}

func newRunnerLoop(jobs int) *runnerLoop {
	l := &runnerLoop{r: NewRunner(RunnerConfig{Masters: 1})}
	l.step(RunnerEvent{Kind: RunnerTick})
	l.step(RunnerEvent{Kind: RunnerProbe})
	l.step(RunnerEvent{Kind: RunnerWelcome, Welcome: &protocol.Welcome{Heartbeat: time.Hour, Liveness: 3, MaxMessage: 1 << 20}})
	for range jobs {
		j := NewRunnerJob()
		j.Size, j.PayloadSize, j.Wait = 100, 100, protocol.WaitForever
		l.jobs = append(l.jobs, j)
		l.submit(j)
	}
	return l
}

func (l *runnerLoop) step(ev RunnerEvent) {
	l.out = l.r.Step(l.now, &ev, l.out[:0])
}

func (l *runnerLoop) submit(j *RunnerJob) {
	l.now += time.Microsecond
	j.Deadline = l.now + 5*time.Second
	l.step(RunnerEvent{Kind: RunnerSubmit, Job: j})
	l.r.Next()
}

// turn answers one job and submits it again.
func (l *runnerLoop) turn() {
	j := l.jobs[l.next]
	l.next = (l.next + 1) % len(l.jobs)
	l.step(RunnerEvent{Kind: RunnerResult, ID: j.ID()})
	l.submit(j)
}

func TestRunnerAllocatesNothingForAJob(t *testing.T) {
	l := newRunnerLoop(100)
	require.Zero(t, testing.AllocsPerRun(1000, l.turn))
	require.Zero(t, l.r.Stats().Late)
}

func BenchmarkRunner(b *testing.B) {
	for name, jobs := range map[string]int{"1": 1, "1024": 1024, "10000": 10000} {
		b.Run("jobs="+name, func(b *testing.B) {
			l := newRunnerLoop(jobs)
			b.ReportAllocs()
			for b.Loop() {
				l.turn()
			}
		})
	}
}
