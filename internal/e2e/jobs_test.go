// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/jobrunner"
)

// bothWays runs a test with a stand-alone master and with an embedded one.
func bothWays(t *testing.T, f func(t *testing.T, s *site, r *jobrunner.Runner)) {
	t.Run("stand-alone", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.master()
		f(t, s, s.connect())
	})
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		f(t, s, s.embed(jobrunner.Config{}))
	})
}

func TestEveryCallerGetsItsOwnAnswer(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, s *site, r *jobrunner.Runner) {
		for range 4 {
			s.worker()
		}
		workers(t, r, 4)
		const callers, jobs = 200, 100
		var all sync.WaitGroup
		wrong := make(chan error, callers)
		start := time.Now()
		for caller := range callers {
			all.Add(1)
			go func() {
				defer all.Done()
				for n := range jobs {
					want := fmt.Sprintf("caller %d job %d", caller, n)
					got, err := r.Execute(context.Background(), "echo", want)
					if err != nil || got != want {
						wrong <- fmt.Errorf("%s: got %q, %w", want, got, err)
						return
					}
				}
			}()
		}
		all.Wait()
		t.Logf("%d jobs in %v", callers*jobs, time.Since(start).Round(time.Millisecond))
		close(wrong)
		for err := range wrong {
			t.Error(err)
		}
		st := until(t, r, func(s jobrunner.Status) bool { return s.Jobs.Running == 0 })
		require.EqualValues(t, callers*jobs, st.Jobs.Outcomes["ok"])
	})
}

func TestPayloadsAreUntouched(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, s *site, r *jobrunner.Runner) {
		s.worker()
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		payloads := [][]byte{nil, {0}, all, bytes.Repeat(all, 31), bytes.Repeat(all, 33), bytes.Repeat(all, 4096), bytes.Repeat(all, 16*4096)}
		for _, want := range payloads {
			got, err := r.ExecuteBytes(context.Background(), "echo", want)
			require.NoError(t, err)
			require.Len(t, got, len(want))
			require.Equal(t, sha256.Sum256(want), sha256.Sum256(got))
		}
	})
}

func TestHandlerErrorsAreTheCallersToSee(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, s *site, r *jobrunner.Runner) {
		s.worker()
		var e *jobrunner.Error
		_, err := r.Execute(context.Background(), "fail", "wrong password")
		require.ErrorIs(t, err, jobrunner.ErrJob)
		require.ErrorAs(t, err, &e)
		require.Equal(t, "wrong password", e.Text)
		require.True(t, e.MayHaveRun())
		_, err = r.Execute(context.Background(), "panic", "oops")
		require.ErrorIs(t, err, jobrunner.ErrJob)
		require.ErrorContains(t, err, "oops")
		// The worker is as good as before.
		got, err := r.Execute(context.Background(), "echo", "still there")
		require.NoError(t, err)
		require.Equal(t, "still there", got)
	})
}

func TestNoWorker(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, s *site, r *jobrunner.Runner) {
		s.worker()
		workers(t, r, 1)
		start := time.Now()
		_, err := r.Do(context.Background(), jobrunner.Job{Service: "nobody", Wait: jobrunner.NoWait})
		require.ErrorIs(t, err, jobrunner.ErrNoWorker)
		require.False(t, jobrunner.MayHaveRun(err))
		t.Logf("refused in %v", time.Since(start))

		_, err = r.Do(context.Background(), jobrunner.Job{Service: "nobody", Wait: 20 * time.Millisecond})
		require.ErrorIs(t, err, jobrunner.ErrNoWorker)
		// Long enough for the master's verdict to be there in time on a busy
		// machine: without it the runner cannot know that nobody ran the job.
		_, err = r.Do(context.Background(), jobrunner.Job{Service: "nobody", Timeout: 2 * time.Second})
		require.ErrorIs(t, err, jobrunner.ErrNoWorker)
	})
}

func TestAJobWaitsForItsFirstWorker(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, s *site, r *jobrunner.Runner) {
		done := make(chan outcome, 1)
		background(r, jobrunner.Job{Service: "echo", Payload: []byte("early")}, "", done)
		until(t, r, func(s jobrunner.Status) bool { return s.Jobs.Waiting == 1 })
		s.worker()
		o := receive(t, done)
		require.NoError(t, o.err)
		require.Equal(t, "early", o.result)
	})
}

func TestBusyWorkersLetJobsWaitInOrder(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, s *site, r *jobrunner.Runner) {
		s.worker()
		workers(t, r, 1)
		g := newGates(t)
		done := make(chan outcome, 16)
		background(r, jobrunner.Job{Service: "gate", Payload: []byte(g.payload("first"))}, "first", done)
		first := g.next()
		for i := range 5 {
			name := fmt.Sprint(i)
			background(r, jobrunner.Job{Service: "gate", Payload: []byte(g.payload(name))}, name, done)
			until(t, r, func(s jobrunner.Status) bool { return s.Jobs.Waiting == i+1 })
		}
		// One gives up while it waits: it leaves the room.
		ctx, cancel := context.WithCancel(context.Background())
		gaveUp := make(chan error, 1)
		go func() {
			_, err := r.Execute(ctx, "gate", g.payload("cancelled"))
			gaveUp <- err
		}()
		until(t, r, func(s jobrunner.Status) bool { return s.Jobs.Waiting == 6 })
		cancel()
		err := <-gaveUp
		require.ErrorIs(t, err, jobrunner.ErrCancelled)
		require.ErrorIs(t, err, context.Canceled)
		require.False(t, jobrunner.MayHaveRun(err))
		until(t, r, func(s jobrunner.Status) bool { return s.Jobs.Waiting == 5 })

		first.open("ok")
		for i := range 5 {
			o := g.next()
			require.Equal(t, fmt.Sprint(i), o.name)
			o.open("ok")
		}
		for range 6 {
			require.NoError(t, receive(t, done).err)
		}
	})
}

func TestWhatCannotBeDoneIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	t.Run("the room is full", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		r := s.embed(jobrunner.Config{MaxWaiting: 2})
		s.worker()
		workers(t, r, 1)
		g := newGates(t)
		done := make(chan outcome, 16)
		for range 3 {
			background(r, jobrunner.Job{Service: "gate", Payload: []byte(g.payload("x"))}, "", done)
		}
		running := g.next()
		until(t, r, func(s jobrunner.Status) bool { return s.Jobs.Waiting == 2 })
		start := time.Now()
		_, err := r.Execute(context.Background(), "gate", g.payload("too much"))
		t.Logf("refused in %v", time.Since(start))
		require.ErrorIs(t, err, jobrunner.ErrBusy)
		require.False(t, jobrunner.MayHaveRun(err))
		var e *jobrunner.Error
		require.ErrorAs(t, err, &e)
		require.Positive(t, e.RetryAfter)
		running.open("ok")
		g.next().open("ok")
		g.next().open("ok")
		for range 3 {
			require.NoError(t, receive(t, done).err)
		}
	})
	t.Run("the deadline is impossible", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		r := s.embed(jobrunner.Config{})
		s.worker()
		for range 10 { // until it is known what a typical run takes
			_, err := r.Execute(context.Background(), "sleep", "50ms")
			require.NoError(t, err)
		}
		for _, timeout := range []time.Duration{time.Millisecond, 20 * time.Millisecond} {
			start := time.Now()
			_, err := r.Do(context.Background(), jobrunner.Job{Service: "sleep", Payload: []byte("50ms"), Timeout: timeout})
			t.Logf("a job of 50ms with %v: %v, in %v", timeout, err, time.Since(start))
			require.ErrorIs(t, err, jobrunner.ErrBusy)
			require.False(t, jobrunner.MayHaveRun(err))
		}
	})
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, s *site, r *jobrunner.Runner) {
		s.worker()
		workers(t, r, 1)
		g := newGates(t)
		done := make(chan outcome, 2)
		background(r, jobrunner.Job{Service: "gate", Payload: []byte(g.payload("runs")), Timeout: 3 * time.Second}, "runs", done)
		running := g.next()
		background(r, jobrunner.Job{Service: "gate", Payload: []byte(g.payload("waits")), Timeout: 2 * time.Second}, "waits", done)

		o := receive(t, done)
		require.Equal(t, "waits", o.name)
		require.ErrorIs(t, o.err, jobrunner.ErrTimedOutWaiting)
		require.ErrorIs(t, o.err, context.DeadlineExceeded)
		require.False(t, jobrunner.MayHaveRun(o.err))
		t.Logf("waiting job with 2s ended after %v", o.took)

		o = receive(t, done)
		require.Equal(t, "runs", o.name)
		require.ErrorIs(t, o.err, jobrunner.ErrTimedOutRunning)
		require.ErrorIs(t, o.err, jobrunner.ErrTimedOut)
		require.True(t, jobrunner.MayHaveRun(o.err))
		t.Logf("running job with 3s ended after %v", o.took)
		// Its handler was told: the gate is closed from the other side.
		_, err := running.conn.Read(make([]byte, 1))
		require.Error(t, err)
	})
}

func TestTCPIsAMatterOfConfiguration(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.backend = "tcp://127.0.0.1:*"
	r := s.embed(jobrunner.Config{})
	s.backend = r.Backend()
	require.True(t, strings.HasPrefix(s.backend, "tcp://127.0.0.1:"))
	s.worker()
	got, err := r.Execute(context.Background(), "echo", "over tcp")
	require.NoError(t, err)
	require.Equal(t, "over tcp", got)

	_, err = jobrunner.Start(jobrunner.Config{Workers: jobrunner.NoWorkers, Backend: "tcp://0.0.0.0:*"})
	require.ErrorContains(t, err, "Insecure")
	_, err = jobrunner.Connect(jobrunner.Config{Masters: []string{"tcp://192.0.2.1:7000"}})
	require.ErrorContains(t, err, "Insecure")
}
