// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"context"
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/jobrunner"
)

func TestMain(m *testing.M) {
	Main(nil)
	os.Exit(m.Run())
}

func TestWhatTheKernelTellsOfAProcess(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]func(int) (int64, error){"RSS": RSS, "threads": Threads, "descriptors": Descriptors} {
		n, err := of(os.Getpid())
		require.NoError(t, err, name)
		require.Positive(t, n, name)
		_, err = of(1 << 30)
		require.Error(t, err, name)
	}
	require.Regexp(t, `, \d+ CPUs, .*, Linux \d`, Machine())
	require.NotEmpty(t, LoadAverage())
}

func TestWhatOthersUse(t *testing.T) {
	t.Parallel()
	m := StartMeter()
	require.Positive(t, m.machine)
	require.Positive(t, m.ours)
	require.Less(t, m.ours, m.machine)
	require.GreaterOrEqual(t, m.Foreign(), 0.0)
}

func TestAMasterWithItsWorker(t *testing.T) {
	t.Parallel()
	runtime.LockOSThread() // the processes live as long as this thread
	defer runtime.UnlockOSThread()
	r, err := New()
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	m, err := r.Role("master")
	require.NoError(t, err)
	w, err := r.Role("worker")
	require.NoError(t, err)
	runner, err := jobrunner.Connect(jobrunner.Config{Masters: []string{r.Frontend}, Timeout: Patience})
	require.NoError(t, err)
	result, err := runner.Execute(context.Background(), "square", "12")
	require.NoError(t, err)
	require.Equal(t, "144", result)
	require.NoError(t, runner.Close())
	for _, p := range []*Process{w, m} {
		var g Gauges
		require.NoError(t, p.Ask(&g))
		require.Positive(t, g.Goroutines)
		require.Positive(t, g.Heap)
		require.NoError(t, p.Stop(syscall.SIGTERM))
		require.True(t, p.State().Success(), "%v", p.State())
		require.Error(t, p.Ask(&g))
	}
}
