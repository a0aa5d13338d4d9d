// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/workerenv"
	"github.com/powerhose/powerhose/jobrunner"
)

func TestKilledWorker(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, s *site, r *jobrunner.Runner) {
		s.worker()
		s.worker()
		workers(t, r, 2)
		g := newGates(t)
		done := make(chan outcome, 2)
		background(r, jobrunner.Job{Service: "gate", Payload: []byte(g.payload("x"))}, "", done)
		running := g.next()
		killed := time.Now()
		require.NoError(t, syscall.Kill(running.pid, syscall.SIGKILL))
		o := receive(t, done)
		t.Logf("told %v after kill -9", o.at.Sub(killed))
		require.ErrorIs(t, o.err, jobrunner.ErrWorkerLost)
		require.True(t, jobrunner.MayHaveRun(o.err))

		// The other one serves on, and an idempotent job survives its worker.
		third := s.worker()
		workers(t, r, 2)
		background(r, jobrunner.Job{Service: "gate", Payload: []byte(g.payload("y")), Idempotent: true}, "", done)
		running = g.next()
		require.NoError(t, syscall.Kill(running.pid, syscall.SIGKILL))
		again := g.next()
		require.NotEqual(t, running.pid, again.pid)
		again.open("twice")
		o = receive(t, done)
		require.NoError(t, o.err)
		require.Equal(t, "twice", o.result)
		_ = third
	})
}

func TestAJobThatKillsItsWorkersIsNotTriedOnAThird(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, s *site, r *jobrunner.Runner) {
		for range 3 {
			s.worker()
		}
		workers(t, r, 3)
		g := newGates(t)
		done := make(chan outcome, 1)
		background(r, jobrunner.Job{Service: "gate", Payload: []byte(g.payload("x")), Retries: 10}, "", done)
		for range 2 {
			require.NoError(t, syscall.Kill(g.next().pid, syscall.SIGKILL))
		}
		o := receive(t, done)
		require.ErrorIs(t, o.err, jobrunner.ErrWorkerLost)
		workers(t, r, 1)
	})
}

// TestPrefetchedJobsOfAKilledWorkerRunElsewhere lets a worker prefetch behind a
// job that never ends, and kills it.
func TestPrefetchedJobsOfAKilledWorkerRunElsewhere(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, s *site, r *jobrunner.Runner) {
		first := s.worker()
		workers(t, r, 1)
		g := newGates(t)
		done := make(chan outcome, 64)
		const behind = 20
		var held *openGate
		// A worker that made no progress for 6 ms gets nothing more, so on a
		// busy machine it takes a few tries until something is prefetched.
		for try := 1; ; try++ {
			for range 200 { // the service is known to be quick
				_, err := r.Execute(context.Background(), "mixed", "")
				require.NoError(t, err)
			}
			background(r, jobrunner.Job{Service: "mixed", Payload: []byte(g.payload("held"))}, "held", done)
			held = g.next()
			for i := range behind {
				background(r, jobrunner.Job{Service: "mixed"}, fmt.Sprint(i), done)
			}
			st := until(t, r, func(s jobrunner.Status) bool { return s.Jobs.Running+s.Jobs.Waiting == behind+1 })
			t.Logf("try %d: %d with the worker, %d waiting", try, st.Jobs.Running, st.Jobs.Waiting)
			if st.Jobs.Running > 1 {
				break
			}
			require.Less(t, try, 100)
			held.open("again")
			for range behind + 1 {
				require.NoError(t, receive(t, done).err)
			}
		}
		first.signal(syscall.SIGKILL)
		o := receive(t, done)
		require.Equal(t, "held", o.name, "%v", o.err)
		require.ErrorIs(t, o.err, jobrunner.ErrWorkerLost)
		s.worker()
		for range behind {
			require.NoError(t, receive(t, done).err)
		}
		st := until(t, r, func(jobrunner.Status) bool { return true })
		require.NotZero(t, st.Counters.Redispatched)
	})
}

func TestStoppedWorker(t *testing.T) {
	t.Parallel()
	t.Run("idle: by its missing pings", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		r := s.embed(jobrunner.Config{Heartbeat: 100 * time.Millisecond})
		w := s.worker()
		workers(t, r, 1)
		w.signal(syscall.SIGSTOP)
		stopped := time.Now()
		st := workers(t, r, 0)
		t.Logf("evicted after %v, heartbeat 100ms", time.Since(stopped))
		require.EqualValues(t, 1, st.Counters.WorkersLost)
		w.signal(syscall.SIGCONT)
		workers(t, r, 1)
		got, err := r.Execute(context.Background(), "echo", "back")
		require.NoError(t, err)
		require.Equal(t, "back", got)
	})
	t.Run("busy: by the deadline of its job", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		r := s.embed(jobrunner.Config{Grace: 200 * time.Millisecond})
		w := s.worker()
		workers(t, r, 1)
		g := newGates(t)
		done := make(chan outcome, 1)
		background(r, jobrunner.Job{Service: "gate", Payload: []byte(g.payload("late")), Timeout: 300 * time.Millisecond}, "late", done)
		running := g.next()
		w.signal(syscall.SIGSTOP)
		o := receive(t, done)
		require.ErrorIs(t, o.err, jobrunner.ErrTimedOutRunning)
		workers(t, r, 0)
		// Others take over.
		other := s.worker()
		pid, err := r.Execute(context.Background(), "pid", "")
		require.NoError(t, err)
		require.Equal(t, strconv.Itoa(other.pid()), pid)
		// It comes back with a result that nobody waits for, and works again.
		running.open("too late")
		w.signal(syscall.SIGCONT)
		workers(t, r, 2)
		other.signal(syscall.SIGTERM)
		require.Zero(t, other.wait())
		pid, err = r.Execute(context.Background(), "pid", "")
		require.NoError(t, err)
		require.Equal(t, strconv.Itoa(w.pid()), pid)
	})
}

func TestKilledMaster(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	m := s.master()
	w := s.worker()
	r := s.connect()
	workers(t, r, 1)
	g := newGates(t)
	done := make(chan outcome, 1)
	background(r, jobrunner.Job{Service: "gate", Payload: []byte(g.payload("x"))}, "", done)
	g.next()
	m.signal(syscall.SIGKILL)
	killed := time.Now()
	o := receive(t, done)
	t.Logf("told %v after kill -9", o.at.Sub(killed))
	require.ErrorIs(t, o.err, jobrunner.ErrMasterLost)
	require.True(t, jobrunner.MayHaveRun(o.err))

	s.master()
	st := workers(t, r, 1)
	require.Equal(t, w.pid(), st.Workers[0].PID, "the same worker registered again")
	got, err := r.Execute(context.Background(), "echo", "again")
	require.NoError(t, err)
	require.Equal(t, "again", got)
}

func TestWorkersGiveUpAfterTheirPatience(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	m := s.master()
	r := s.connect()
	w := s.worker(workerenv.Patience + "=3s") // liveness + 2 heartbeats, 5 s, are the least
	workers(t, r, 1)
	m.signal(syscall.SIGKILL)
	killed := time.Now()
	require.NotZero(t, w.wait())
	t.Logf("gave up after %v", time.Since(killed))

	early := s.worker(workerenv.Patience + "=100ms")
	require.NotZero(t, early.wait())
}

func TestASecondMasterIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.master()
	second := s.start(roleVariable + "=master")
	require.Equal(t, 3, second.wait())
	require.Contains(t, second.cmd.Stderr.(fmt.Stringer).String(), strconv.Itoa(first.pid()))
	first.signal(syscall.SIGKILL)
	first.wait()
	s.master()
}

func TestADrainedMasterFinishesWhatRuns(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	m := s.master()
	s.worker()
	r := s.connect()
	workers(t, r, 1)
	g := newGates(t)
	done := make(chan outcome, 2)
	background(r, jobrunner.Job{Service: "gate", Payload: []byte(g.payload("x"))}, "", done)
	running := g.next()
	m.signal(syscall.SIGTERM)
	until(t, r, func(s jobrunner.Status) bool { return s.Draining })
	running.open("finished")
	o := receive(t, done)
	require.NoError(t, o.err)
	require.Equal(t, "finished", o.result)
	require.Zero(t, m.wait())
}

// TestRollingRestartFailsNoJob drains each of four workers under load, each
// replaced by a new one.
func TestRollingRestartFailsNoJob(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, s *site, r *jobrunner.Runner) {
		var old []*process
		for range 4 {
			old = append(old, s.worker())
		}
		workers(t, r, 4)
		var stop atomic.Bool
		var done atomic.Int64
		var load sync.WaitGroup
		failed := make(chan error, 64)
		for i := range 16 {
			load.Add(1)
			go func() {
				defer load.Done()
				service, payload := "echo", "x"
				if i%2 == 0 {
					service, payload = "sleep", "1ms"
				}
				for !stop.Load() {
					if _, err := r.Execute(context.Background(), service, payload); err != nil {
						failed <- err
						return
					}
					done.Add(1)
				}
			}()
		}
		for _, w := range old {
			before := done.Load()
			s.worker()
			w.signal(syscall.SIGTERM)
			require.Zero(t, w.wait())
			require.Eventually(t, func() bool { return done.Load() > before+100 }, patience, time.Millisecond)
		}
		stop.Store(true)
		load.Wait()
		close(failed)
		for err := range failed {
			t.Error(err)
		}
		st := workers(t, r, 4)
		t.Logf("%d jobs, workers lost: %d", done.Load(), st.Counters.WorkersLost)
		require.Zero(t, st.Counters.WorkersLost)
	})
}

func TestTheNextMasterTakesOver(t *testing.T) {
	t.Parallel()
	one, two := newSite(t), newSite(t)
	first := one.master()
	two.master()
	one.worker()
	two.worker()
	r, err := jobrunner.Connect(jobrunner.Config{Masters: []string{one.frontend, two.frontend}, Timeout: patience})
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	workers(t, r, 1)
	g := newGates(t)
	done := make(chan outcome, 2)
	background(r, jobrunner.Job{Service: "gate", Payload: []byte(g.payload("idempotent")), Idempotent: true}, "idempotent", done)
	g.next()
	first.signal(syscall.SIGKILL)
	g.next().open("on the second")
	o := receive(t, done)
	require.NoError(t, o.err)
	require.Equal(t, "on the second", o.result)
	got, err := r.Execute(context.Background(), "echo", "goes on")
	require.NoError(t, err)
	require.Equal(t, "goes on", got)
}

func TestWorkersEndWithTheProcessThatEmbedsTheMaster(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	web := s.start(roleVariable + "=embedder")
	said := strings.Fields(web.line())
	require.Len(t, said, 3)
	require.Equal(t, "ready", said[0])
	web.signal(syscall.SIGKILL)
	killed := time.Now()
	for _, pid := range said[1:] {
		n, err := strconv.Atoi(pid)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return gone(n) }, patience, time.Millisecond)
	}
	t.Logf("both workers gone %v after kill -9 of the web process", time.Since(killed))
}

// gone reports whether the process has ended. A zombie, whose new parent has not
// looked yet, has.
func gone(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(rest, "Z") || strings.HasPrefix(rest, "X")
}

func TestOwnSocketOfAWorker(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, s *site, r *jobrunner.Runner) {
		w := s.worker(workerenv.Listen + "=ipc://" + s.dir + "/own.sock")
		st := workers(t, r, 1)
		require.NotEmpty(t, st.Workers[0].Endpoint)
		got, err := r.Execute(context.Background(), "echo", "over its own socket")
		require.NoError(t, err)
		require.Equal(t, "over its own socket", got)
		w.signal(syscall.SIGTERM)
		require.Zero(t, w.wait())
		workers(t, r, 0)
	})
}
