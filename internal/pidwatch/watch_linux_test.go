// SPDX-License-Identifier: Apache-2.0

package pidwatch

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// helperEnv makes this test binary wait for the end of its standard input.
const helperEnv = "PIDWATCH_TEST_HELPER"

const patience = 20 * time.Second

func TestMain(m *testing.M) {
	if os.Getenv(helperEnv) != "" {
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// child starts a process that ends when its input is closed.
func child(t *testing.T) (cmd *exec.Cmd, input io.Closer) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"=1")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return cmd, in
}

// watch counts the calls of gone and signals the first.
func watch(t *testing.T, pid int) (w *Watch, gone <-chan time.Time, calls *atomic.Int32) {
	t.Helper()
	calls = new(atomic.Int32)
	c := make(chan time.Time, 1)
	w, err := Start(pid, func() {
		if calls.Add(1) == 1 {
			c <- time.Now()
		}
	})
	require.NoError(t, err)
	return w, c, calls
}

func await(t *testing.T, c <-chan time.Time) time.Time {
	t.Helper()
	select {
	case at := <-c:
		return at
	case <-time.After(patience):
		require.FailNow(t, "the end was not noticed")
		return time.Time{}
	}
}

func TestKilledProcess(t *testing.T) {
	t.Parallel()
	cmd, _ := child(t)
	w, gone, calls := watch(t, cmd.Process.Pid)
	start := time.Now()
	require.NoError(t, cmd.Process.Kill())
	t.Logf("noticed after %v", await(t, gone).Sub(start)) // still a zombie
	require.Error(t, cmd.Wait())
	w.Stop()
	w.Stop()
	require.False(t, w.Cancel())
	require.EqualValues(t, 1, calls.Load())
}

func TestProcessThatExits(t *testing.T) {
	t.Parallel()
	cmd, input := child(t)
	w, gone, calls := watch(t, cmd.Process.Pid)
	require.NoError(t, input.Close())
	await(t, gone)
	w.Stop()
	require.EqualValues(t, 1, calls.Load())
}

func TestZombieIsGone(t *testing.T) {
	t.Parallel()
	cmd, input := child(t)
	first, gone, _ := watch(t, cmd.Process.Pid)
	require.NoError(t, input.Close())
	await(t, gone)
	first.Stop()
	second, gone, _ := watch(t, cmd.Process.Pid)
	await(t, gone)
	second.Stop()
}

func TestSeveralWatchesOfOneProcess(t *testing.T) {
	t.Parallel()
	cmd, _ := child(t)
	var all []<-chan time.Time
	for range 10 {
		w, gone, _ := watch(t, cmd.Process.Pid)
		defer w.Stop()
		all = append(all, gone)
	}
	require.NoError(t, cmd.Process.Kill())
	for _, gone := range all {
		await(t, gone)
	}
}

func TestStoppedWatchStaysSilent(t *testing.T) {
	t.Parallel()
	cmd, _ := child(t)
	stopped, _, stoppedCalls := watch(t, cmd.Process.Pid)
	cancelled, _, cancelledCalls := watch(t, cmd.Process.Pid)
	other, gone, _ := watch(t, cmd.Process.Pid)
	stopped.Stop()
	require.True(t, cancelled.Cancel())
	require.True(t, cancelled.Cancel())
	require.NoError(t, cmd.Process.Kill())
	await(t, gone)
	other.Stop()
	cancelled.Stop()
	require.Zero(t, stoppedCalls.Load()+cancelledCalls.Load())
}

func TestCancelFromGone(t *testing.T) {
	t.Parallel()
	cmd, _ := child(t)
	handover, result := make(chan *Watch, 1), make(chan bool, 1)
	w, err := Start(cmd.Process.Pid, func() { result <- (<-handover).Cancel() })
	require.NoError(t, err)
	handover <- w
	require.NoError(t, cmd.Process.Kill())
	require.False(t, <-result)
	w.Stop()
}

// Whoever wins, gone is called once or Cancel has said that it never is.
func TestEndRacesWithCancel(t *testing.T) {
	t.Parallel()
	for range 20 {
		cmd, _ := child(t)
		w, _, calls := watch(t, cmd.Process.Pid)
		go func() { _ = cmd.Process.Kill() }()
		won := w.Cancel()
		w.Stop()
		if won {
			require.Zero(t, calls.Load())
		} else {
			require.EqualValues(t, 1, calls.Load())
		}
	}
}

func TestNoSuchProcess(t *testing.T) {
	t.Parallel()
	cmd, input := child(t)
	require.NoError(t, input.Close())
	require.NoError(t, cmd.Wait())
	_, err := Start(cmd.Process.Pid, func() { t.Error("called") })
	require.ErrorIs(t, err, os.ErrProcessDone)
	for _, pid := range []int{0, -1, -cmd.Process.Pid} {
		_, err = Start(pid, func() { t.Error("called") })
		require.Error(t, err)
	}
}

func TestUnsupportedSystems(t *testing.T) {
	t.Parallel()
	for _, errno := range []error{unix.ENOSYS, unix.EPERM, unix.EINVAL} {
		require.ErrorIs(t, openError(1, errno), ErrUnsupported)
	}
	require.NotErrorIs(t, openError(1, unix.EMFILE), ErrUnsupported)
	require.ErrorIs(t, openError(1, unix.EMFILE), unix.EMFILE)
}

// Not parallel: it counts the descriptors of the whole process.
func TestDescriptorsReturnToBase(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(entries)
	}
	cmd, _ := child(t)
	round := func() {
		w, err := Start(cmd.Process.Pid, func() { t.Error("called") })
		require.NoError(t, err)
		w.Stop()
	}
	round()
	base := count()
	for range 1000 {
		round()
	}
	require.Equal(t, base, count())
}
