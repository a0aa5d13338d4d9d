// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/powerhose/powerhose/internal/pidwatch"
)

// config runs this test binary in a role.
func config(role string, n int, out *lines) Config {
	return Config{
		Command: []string{os.Args[0]}, N: n, Output: out,
		Env: []string{roleEnv + "=" + role},
	}
}

func start(t *testing.T, cfg Config) *Pool {
	t.Helper()
	p, err := Start(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = p.Stop(ctx) // at once; a test that cares has stopped it before
	})
	return p
}

func stop(t *testing.T, p *Pool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, p.Stop(ctx))
}

// watch returns a channel that is closed when the process is gone.
func watch(t *testing.T, pid int) <-chan struct{} {
	t.Helper()
	gone := make(chan struct{})
	w, err := pidwatch.Start(pid, func() { close(gone) })
	if errors.Is(err, os.ErrProcessDone) {
		close(gone)
		return gone
	}
	require.NoError(t, err)
	t.Cleanup(w.Stop)
	return gone
}

func await(t *testing.T, what string, ch <-chan struct{}) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(patience):
		require.FailNow(t, "waited in vain for "+what)
	}
}

func TestStopEndsProcessesThatEndThemselves(t *testing.T) {
	t.Parallel()
	out := newLines(t)
	p := start(t, config("polite", 3, out))
	pids := out.ready(3)
	require.ElementsMatch(t, pids, p.PIDs())
	stop(t, p)
	require.Empty(t, p.PIDs())
	for range 3 {
		_, text := out.next()
		require.Equal(t, "bye", text)
	}
	for _, pid := range pids {
		require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH, "not reaped")
	}
	require.Zero(t, p.Restarts())
	stop(t, p)
}

func TestStopKillsWhatDoesNotEndInTime(t *testing.T) {
	t.Parallel()
	out := newLines(t)
	p := start(t, config("stubborn", 2, out))
	pids := out.ready(2)
	ctx, cancel := context.WithCancelCause(context.Background())
	reason := errors.New("no patience")
	cancel(reason)
	err := p.Stop(ctx)
	require.ErrorIs(t, err, reason)
	require.ErrorContains(t, err, "killed 2 process")
	for _, pid := range pids {
		require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH, "not reaped")
	}
}

func TestStopFromManyGoroutines(t *testing.T) {
	t.Parallel()
	out := newLines(t)
	p := start(t, config("polite", 2, out))
	out.ready(2)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if err := p.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Empty(t, p.PIDs())
}

func TestStopBeforeAnythingIsReady(t *testing.T) {
	t.Parallel()
	stop(t, start(t, config("polite", 4, newLines(t))))
}

func TestDeadProcessIsRestartedLaterAndLater(t *testing.T) {
	t.Parallel()
	out, clock := newLines(t), newFakeClock()
	cfg := config("failing", 1, out)
	cfg.clock = clock
	log := &syncBuffer{}
	cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	p := start(t, cfg)
	expect := firstRestart
	for i := range 8 {
		out.ready(1)
		in := clock.fire(t)
		require.InDelta(t, expect, in, float64(expect)/2+1, "restart %d", i+1)
		expect = min(2*expect, lastRestart)
	}
	out.ready(1)
	require.GreaterOrEqual(t, p.Restarts(), uint64(7), "the eighth may be counted a moment later")
	require.Contains(t, log.String(), `status="exit status 3"`)
}

func TestBackoffBeginsAnewAfterAGoodRun(t *testing.T) {
	t.Parallel()
	out, clock := newLines(t), newFakeClock()
	cfg := config("polite", 1, out)
	cfg.clock = clock
	log := &syncBuffer{}
	cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	start(t, cfg)
	die := func() time.Duration {
		pid := out.ready(1)[0]
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		return clock.fire(t)
	}
	for range 5 {
		die()
	}
	pid := out.ready(1)[0]
	clock.advance(ranWell)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	require.InDelta(t, firstRestart, clock.fire(t), float64(firstRestart)/2+1)
	out.ready(1)
	require.Contains(t, log.String(), `status="signal: killed"`)
}

func TestEachPlaceHasItsOwnBackoff(t *testing.T) {
	t.Parallel()
	out, clock := newLines(t), newFakeClock()
	cfg := config("polite", 2, out)
	cfg.clock = clock
	p := start(t, cfg)
	pids := out.ready(2)
	require.NoError(t, syscall.Kill(pids[0], syscall.SIGKILL))
	clock.fire(t)
	next := out.ready(1)[0]
	require.NotContains(t, pids, next)
	require.NoError(t, syscall.Kill(pids[1], syscall.SIGKILL))
	require.InDelta(t, firstRestart, clock.fire(t), float64(firstRestart)/2+1)
	out.ready(1)
	stop(t, p)
	require.EqualValues(t, 2, p.Restarts())
}

func TestRestartsWithTheRealClock(t *testing.T) {
	t.Parallel()
	out := newLines(t)
	p := start(t, config("polite", 1, out))
	require.NoError(t, syscall.Kill(out.ready(1)[0], syscall.SIGKILL))
	since := time.Now()
	out.ready(1)
	t.Logf("replaced after %v", time.Since(since).Round(time.Millisecond))
	stop(t, p)
	require.EqualValues(t, 1, p.Restarts())
}

func TestStopWhileARestartIsPlanned(t *testing.T) {
	t.Parallel()
	out, clock := newLines(t), newFakeClock()
	cfg := config("failing", 1, out)
	cfg.clock = clock
	p := start(t, cfg)
	out.ready(1)
	<-clock.timers
	stop(t, p)
	require.Zero(t, p.Restarts())
}

func TestCommandThatVanishesIsTriedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := dir + "/program"
	require.NoError(t, os.Symlink(os.Args[0], program))
	out, clock := newLines(t), newFakeClock()
	cfg := config("polite", 1, out)
	cfg.Command = []string{program}
	cfg.clock = clock
	log := &syncBuffer{}
	cfg.Logger = slog.New(slog.NewTextHandler(log, nil))
	start(t, cfg)
	require.NoError(t, os.Rename(program, program+".away"))
	require.NoError(t, syscall.Kill(out.ready(1)[0], syscall.SIGKILL))
	clock.fire(t)
	timer := <-clock.timers // the failed restart has been logged by now
	require.Contains(t, log.String(), "cannot restart a process")
	require.NoError(t, os.Rename(program+".away", program))
	timer.ch <- clock.advance(timer.in)
	out.ready(1)
}

func TestBadConfig(t *testing.T) {
	t.Parallel()
	notExecutable := t.TempDir() + "/data"
	require.NoError(t, os.WriteFile(notExecutable, nil, 0o600))
	notAProgram := t.TempDir() + "/garbage"
	// A process forked meanwhile would keep it open for writing: "text file busy".
	syscall.ForkLock.RLock()
	err := os.WriteFile(notAProgram, []byte("garbage\x00"), 0o700)
	syscall.ForkLock.RUnlock()
	require.NoError(t, err)
	for text, cfg := range map[string]Config{
		"Command is empty":              {},
		`"no-such-program": executable`: {Command: []string{"no-such-program"}},
		"permission denied":             {Command: []string{notExecutable}},
		"exec format error":             {Command: []string{notAProgram}, N: 3},
		"N is -1":                       {Command: []string{os.Args[0]}, N: -1},
		"N is 5000":                     {Command: []string{os.Args[0]}, N: 5000},
		"Nice is 20":                    {Command: []string{os.Args[0]}, Nice: 20},
		"Nice is -1":                    {Command: []string{os.Args[0]}, Nice: -1},
	} {
		_, err := Start(cfg)
		require.ErrorContains(t, err, text)
		require.ErrorContains(t, err, "supervise: ")
	}
}

func TestNicenessOfEveryThread(t *testing.T) {
	t.Parallel()
	own, err := unix.Getpriority(unix.PRIO_PROCESS, os.Getpid())
	require.NoError(t, err)
	for _, add := range []int{0, 5, MaxNice} {
		out := newLines(t)
		cfg := config("nice", 1, out)
		cfg.Nice = add
		start(t, cfg)
		_, text := out.next()
		threads := strings.Fields(text)[1:]
		require.NotEmpty(t, threads)
		for _, n := range threads {
			require.Equal(t, strconv.Itoa(min(20-own+add, MaxNice)), n, text)
		}
	}
	after, err := unix.Getpriority(unix.PRIO_PROCESS, os.Getpid())
	require.NoError(t, err)
	require.Equal(t, own, after, "our own niceness")
}

func TestWhatAProcessStartedGoesWithIt(t *testing.T) {
	t.Parallel()
	out, clock := newLines(t), newFakeClock()
	cfg := config("family", 1, out)
	cfg.clock = clock
	p := start(t, cfg)
	_, text := out.next()
	pid, err := strconv.Atoi(strings.TrimPrefix(text, "child "))
	require.NoError(t, err)
	await(t, "the grandchild's end", watch(t, pid))
	stop(t, p)
}

func TestEachProcessHasItsOwnGroup(t *testing.T) {
	t.Parallel()
	out := newLines(t)
	start(t, config("polite", 2, out))
	for _, pid := range out.ready(2) {
		group, err := unix.Getpgid(pid)
		require.NoError(t, err)
		require.Equal(t, pid, group)
	}
}

// When the parent is killed with -9 its children are gone, by the kernel's
// signal and, where that does not reach, by the lifeline.
func TestParentKilled(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"stubborn", "lifeline"} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			parent := exec.Command(os.Args[0])
			parent.Env = append(os.Environ(), roleEnv+"=parent", "SUPERVISE_TEST_CHILDREN="+role)
			stdout, err := parent.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, parent.Start())
			var children []<-chan struct{}
			ready := 0
			for scan := bufio.NewScanner(stdout); ready < 2 || children == nil; {
				require.True(t, scan.Scan(), "the parent ended")
				fields := strings.Fields(scan.Text())
				if fields[0] == "pids" {
					for _, field := range fields[1:] {
						pid, err := strconv.Atoi(field)
						require.NoError(t, err)
						children = append(children, watch(t, pid))
					}
				}
				if fields[len(fields)-1] == "ready" {
					ready++
				}
			}
			require.Len(t, children, 2)
			since := time.Now()
			require.NoError(t, parent.Process.Kill())
			for _, gone := range children {
				await(t, "a child's end", gone)
			}
			t.Logf("children gone %v after the parent was killed (%s)", time.Since(since).Round(10*time.Microsecond), role)
			_ = parent.Wait()
		})
	}
}

func TestNothingLeaks(t *testing.T) { // not parallel: it counts descriptors
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(entries)
	}
	round := func() {
		out := newLines(t)
		p := start(t, config("polite", 4, out))
		out.ready(4)
		stop(t, p)
		_, err := Start(Config{Command: []string{"/dev/null"}, N: 4})
		require.Error(t, err)
	}
	round() // the runtime opens what it keeps
	before := count()
	for range 10 {
		round()
	}
	require.LessOrEqual(t, count(), before)
}

func TestLines(t *testing.T) {
	t.Parallel()
	out := newLines(t)
	w := newLineWriter(&output{to: out})
	w.name(7)
	long := strings.Repeat("x", maxLine)
	for _, part := range []string{"one\ntw", "o\n\nthr", "ee", "\n", long, "y\n", long + "\n", "rest"} {
		n, err := fmt.Fprint(w, part)
		require.NoError(t, err)
		require.Equal(t, len(part), n)
	}
	w.flush()
	var got []string
	for len(out.ch) > 0 {
		pid, text := out.next()
		require.Equal(t, 7, pid)
		got = append(got, text)
	}
	want := []string{"one", "two", "", "three", long, "y", long, "rest"}
	require.True(t, slices.Equal(want, got), "got %d lines", len(got))
}
