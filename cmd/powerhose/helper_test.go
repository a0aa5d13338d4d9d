// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/pidwatch"
	"github.com/powerhose/powerhose/jobrunner"
)

// The tests run the real programs, built once, as processes of their own.

// patience is what a test waits for something that should happen at once.
const patience = 30 * time.Second

// bin is where the programs are.
var bin string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "powerhose-test-")
	if err == nil {
		bin = filepath.Join(dir, "bin")
		err = build(bin)
	}
	code := 1
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func build(to string) error {
	args := []string{"build", "-o", to + "/"}
	if raceDetector {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, ".", "../powerhose-master", "../powerhose-worker")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// world is a machine for one test: a runtime directory and nothing else.
type world struct {
	t   *testing.T
	dir string
	env []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "ph") // t.TempDir is too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	w := &world{t: t, dir: dir}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "POWERHOSE_") && !strings.HasPrefix(variable, "XDG_RUNTIME_DIR=") {
			w.env = append(w.env, variable)
		}
	}
	// A program built with -race would sleep for a second before it ends.
	w.env = append(w.env, "XDG_RUNTIME_DIR="+dir, "GORACE=atexit_sleep_ms=0")
	return w
}

// command is a program of ours, to be run in this world.
func (w *world) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(bin, program), args...)
	cmd.Env, cmd.Dir = w.env, w.dir
	return cmd
}

// result is what a program that has ended leaves.
type result struct {
	code           int
	stdout, stderr string
}

// run runs powerhose to its end.
func (w *world) run(stdin string, args ...string) result {
	w.t.Helper()
	return w.runCommand(w.command("powerhose", args...), stdin)
}

// runUntil runs powerhose until it ends with that code. Whether the master's word
// on a job comes in time is up to the machine; if it does not, the runner has to
// assume the worst and says so.
func (w *world) runUntil(code int, args ...string) (got result) {
	w.t.Helper()
	for range 20 {
		if got = w.run("", args...); got.code == code {
			return got
		}
		require.Equal(w.t, 6, got.code, "%v: %+v", args, got)
	}
	require.FailNow(w.t, "never the right exit code", "%d: %+v", code, got)
	return got
}

func (w *world) runCommand(cmd *exec.Cmd, stdin string) result {
	w.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = strings.NewReader(stdin), &stderr
	if cmd.Stdout == nil {
		cmd.Stdout = &stdout
	}
	ended := make(chan error, 1)
	require.NoError(w.t, cmd.Start())
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		var exit *exec.ExitError
		require.True(w.t, err == nil || errors.As(err, &exit), "%v", err)
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		err := <-ended
		require.FailNow(w.t, "did not end", "%v: %v\n%s%s", cmd.Args, err, stdout.String(), stderr.String())
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// process is a program that runs beside the test.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout syncBuffer
	stderr syncBuffer
	ended  chan struct{}
}

func (w *world) start(program string, args ...string) *process {
	w.t.Helper()
	return w.startCommand(w.command(program, args...))
}

func (w *world) startCommand(cmd *exec.Cmd) *process {
	w.t.Helper()
	p := &process{t: w.t, cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.stdout, &p.stderr
	require.NoError(w.t, cmd.Start())
	go func() { _ = cmd.Wait(); close(p.ended) }()
	w.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-p.ended
		if w.t.Failed() {
			w.t.Logf("%v said:\n%s%s", cmd.Args, p.stdout.String(), p.stderr.String())
		}
	})
	return p
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(s))
}

// insist sends a signal until the process ends, and returns its exit code.
func (p *process) insist(s os.Signal) int {
	p.t.Helper()
	for {
		_ = p.cmd.Process.Signal(s) // it may have ended
		select {
		case <-p.ended:
			return p.cmd.ProcessState.ExitCode()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// wait waits for the end and returns the exit code, -1 for a signal.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		require.FailNow(p.t, "does not end", "%v", p.cmd.Args)
	}
	return p.cmd.ProcessState.ExitCode()
}

// ready waits until the master has so many workers, and returns its status.
func (w *world) ready(workers int, args ...string) jobrunner.Status {
	w.t.Helper()
	got := w.run("", append([]string{"check", "--wait", (patience / 2).String(), "--workers", strconv.Itoa(workers)}, args...)...)
	require.Zero(w.t, got.code, "%+v", got)
	return w.status(args...)
}

func (w *world) status(args ...string) (s jobrunner.Status) {
	w.t.Helper()
	got := w.run("", append([]string{"status", "--json"}, args...)...)
	require.Zero(w.t, got.code, "%+v", got)
	require.NoError(w.t, json.Unmarshal([]byte(got.stdout), &s))
	return s
}

// eventually looks at the status until it is as wanted.
func (w *world) eventually(what string, is func(jobrunner.Status) bool) {
	w.t.Helper()
	for since := time.Now(); time.Since(since) < patience; {
		if is(w.status()) {
			return
		}
	}
	require.FailNow(w.t, "never: "+what, "%+v", w.status())
}

// jobRuns waits until a worker has a job.
func (w *world) jobRuns() {
	w.t.Helper()
	w.eventually("a job runs", func(s jobrunner.Status) bool { return s.Jobs.Running == 1 })
}

// gone waits for the end of processes that are not our children.
func gone(t *testing.T, pids ...int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, pid := range pids {
		ended := make(chan struct{})
		watch, err := pidwatch.Start(pid, func() { close(ended) })
		if errors.Is(err, os.ErrProcessDone) {
			continue
		}
		require.NoError(t, err)
		select {
		case <-ended:
		case <-ctx.Done():
			require.FailNow(t, "still there", "process %d", pid)
		}
		watch.Stop()
	}
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func pids(s jobrunner.Status) (pids []int) {
	for _, w := range s.Workers {
		pids = append(pids, w.PID)
	}
	return pids
}

// syncBuffer may be read while it is written.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
