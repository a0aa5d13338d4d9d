// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/powerhose/powerhose/internal/call"
	"github.com/powerhose/powerhose/protocol"

	"github.com/stretchr/testify/require"
)

func TestCloseAnswersEveryCall(t *testing.T) {
	t.Parallel()
	m := startMaster(t, address(t))
	c := connect(t, Config{Masters: []string{m.endpoint}, Identity: "leaving"})
	sent := newCall("", service("hold"))
	c.Submit(sent)
	m.awaitSeen(t)
	m.tell(protocol.AppendDrain(nil, protocol.RoleRunner))
	eventually(t, func() (draining bool) {
		inside(t, c, func() { draining = c.session.Target() < 0 })
		return draining
	})
	unsent := newCall("")
	questions := make(chan error, 1)
	go func() {
		_, _, _, err := c.Master(context.Background())
		questions <- err
	}()
	eventually(t, func() (asked bool) {
		inside(t, c, func() { asked = len(c.queries) == 1 })
		return asked
	})
	c.Submit(unsent)
	require.NoError(t, c.Close())
	require.Equal(t, verdict{Outcome: protocol.OutcomeClosed, MayHaveRun: true}, verdictOf(await(t, sent)))
	require.Equal(t, verdict{Outcome: protocol.OutcomeClosed}, verdictOf(await(t, unsent)))
	require.ErrorIs(t, <-questions, ErrClosed)
	select {
	case who := <-m.byes:
		require.Equal(t, "leaving", who)
	case <-time.After(patience):
		require.FailNow(t, "no BYE")
	}

	require.NoError(t, c.Close())
	late := newCall("")
	c.Submit(late)
	require.Equal(t, verdict{Outcome: protocol.OutcomeClosed}, verdictOf(await(t, late)))
	c.Cancel(late)
	_, err := c.Status(time.Second)
	require.ErrorIs(t, err, ErrClosed)
	_, _, _, err = c.Master(t.Context())
	require.ErrorIs(t, err, ErrClosed)
	require.Zero(t, c.Counters().Registrations)
}

func TestCloseWhileEverybodyIsBusy(t *testing.T) {
	t.Parallel()
	m := startMaster(t, address(t), batches(16))
	c := connect(t, Config{Masters: []string{m.endpoint}})
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for cl := call.New(); ; {
				c.Submit(again(cl, "x"))
				await(t, cl)
				if cl.Outcome == protocol.OutcomeClosed {
					return
				}
			}
		})
	}
	for range 3 {
		all.Go(func() {
			for _, err := c.Status(time.Second); err == nil; _, err = c.Status(time.Second) {
			}
		})
	}
	cl := newCall("", service("seen"))
	c.Submit(cl)
	await(t, cl)
	for range 2 {
		all.Go(func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// Not parallel: it counts what the whole process has open.
func TestManyClientsLeaveNothingBehind(t *testing.T) {
	rounds := 1000
	if testing.Short() {
		rounds = 100
	}
	m := startMaster(t, address(t))
	nobody := address(t)
	round := func(i int) {
		c, err := Dial(Config{Masters: []string{m.endpoint, nobody}})
		require.NoError(t, err)
		cl := newCall("x")
		switch i % 3 {
		case 0:
			c.Submit(cl)
			done(t, cl, "x")
			require.NoError(t, c.Close())
		case 1: // most likely while it connects
			c.Submit(cl)
			require.NoError(t, c.Close())
			await(t, cl)
		case 2:
			require.NoError(t, c.Close())
		}
	}
	for i := range 30 {
		round(i)
	}
	files, goroutines := settle(t, 0, 0)
	for i := range rounds {
		round(i)
	}
	settle(t, files, goroutines)
}

// settle waits until no more is open than that, 0 for as little as there is
// after a while, and returns it: libzmq closes in the background.
func settle(t *testing.T, files, goroutines int) (int, int) {
	t.Helper()
	const slack = 4
	end := time.Now().Add(patience)
	calm, lastFiles, lastGoroutines := 0, 0, 0
	for {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("there is no /proc here")
		}
		f, g := len(entries), runtime.NumGoroutine()
		if f == lastFiles && g == lastGoroutines {
			calm++
		} else {
			calm = 0
		}
		lastFiles, lastGoroutines = f, g
		if calm > 300 && (files == 0 || f <= files+slack && g <= goroutines+slack) {
			return f, g
		}
		require.True(t, time.Now().Before(end), "%d files, %d goroutines are open, there were %d and %d", f, g, files, goroutines)
		yield()
	}
}
