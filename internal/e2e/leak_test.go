// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/jobrunner"
	"github.com/powerhose/powerhose/worker"
)

func descriptors(t testing.TB) int {
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}

// TestNothingLeaks connects and closes runners and workers 1 000 times. It does
// not run in parallel: it counts what the whole process has.
func TestNothingLeaks(t *testing.T) {
	s := newSite(t)
	s.master()
	round := func() {
		r, err := jobrunner.Connect(jobrunner.Config{Masters: []string{s.frontend}, Timeout: patience})
		require.NoError(t, err)
		w, err := worker.New(worker.Config{Services: services, Backend: s.backend})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		got, err := r.Execute(context.Background(), "echo", "x")
		require.NoError(t, err)
		require.Equal(t, "x", got)
		cancel()
		require.NoError(t, <-ended)
		require.NoError(t, r.Close())
	}
	for range 20 { // caches fill, threads start
		round()
	}
	before := goleak.IgnoreCurrent()
	fds, sockets := descriptors(t), zmqnet.OpenSockets()
	rounds := 1000
	if testing.Short() {
		rounds = 50
	}
	for range rounds {
		round()
	}
	goleak.VerifyNone(t, before)
	runtime.GC()
	t.Logf("descriptors %d, then %d; sockets %d, then %d", fds, descriptors(t), sockets, zmqnet.OpenSockets())
	// libzmq closes in the background: a few may be on their way.
	require.Eventually(t, func() bool { return descriptors(t) <= fds+5 }, patience, 1e6)
	require.Equal(t, sockets, zmqnet.OpenSockets())
}
