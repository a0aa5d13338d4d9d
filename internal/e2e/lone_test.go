// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/jobrunner"
)

// TestLoneCaller: a caller that is alone for a while waits for the socket
// himself, which must not change what he is told, nor when.
func TestLoneCaller(t *testing.T) {
	t.Parallel()
	bothWays(t, func(t *testing.T, s *site, r *jobrunner.Runner) {
		s.worker()
		s.worker()
		workers(t, r, 2)
		g := newGates(t)
		done := make(chan outcome, 2)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		lone := func(ctx context.Context, job jobrunner.Job) {
			go func() {
				for range 100 {
					if _, err := r.Execute(ctx, "echo", "x"); err != nil {
						done <- outcome{err: err}
						return
					}
				}
				result, err := r.Do(ctx, job)
				done <- outcome{result: string(result), err: err, at: time.Now()}
			}()
		}
		gate := func(name string) jobrunner.Job {
			return jobrunner.Job{Service: "gate", Payload: []byte(g.payload(name))}
		}

		lone(ctx, gate("opened"))
		g.next().open("ready")
		require.Equal(t, "ready", receive(t, done).result)

		lone(ctx, gate("with others"))
		held := g.next()
		for range 100 { // answered although the lone caller still waits
			result, err := r.Execute(ctx, "echo", "others")
			require.NoError(t, err)
			require.Equal(t, "others", result)
		}
		held.open("last")
		require.Equal(t, "last", receive(t, done).result)

		short := gate("too long")
		short.Timeout = 50 * time.Millisecond
		lone(ctx, short)
		g.next()
		err := receive(t, done).err // the handler ends at the deadline too, and may be the first to say so
		require.True(t, errors.Is(err, jobrunner.ErrTimedOutRunning) || errors.Is(err, jobrunner.ErrJob), "%v", err)

		lone(ctx, gate("killed"))
		require.NoError(t, syscall.Kill(g.next().pid, syscall.SIGKILL))
		require.ErrorIs(t, receive(t, done).err, jobrunner.ErrWorkerLost)
		workers(t, r, 1)

		lone(ctx, gate("cancelled"))
		g.next()
		cancel()
		require.ErrorIs(t, receive(t, done).err, jobrunner.ErrCancelled)

		s.worker() // the cancelled handler may still have the other one
		lone(context.Background(), gate("closed"))
		g.next()
		closed := make(chan error, 1)
		go func() { closed <- r.Close() }()
		require.ErrorIs(t, receive(t, done).err, jobrunner.ErrClosed)
		require.NoError(t, <-closed)
	})
}
