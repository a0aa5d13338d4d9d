// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/jobrunner"
)

// busy starts a master and a worker with one place, and fills that.
func busy(w *world) (master, worker, job *process) {
	w.t.Helper()
	master, worker = w.start("powerhose-master"), w.start("powerhose-worker")
	w.ready(1)
	job = w.start("powerhose", "exec", "--timeout", "1h", "--service", "sleep", "3600000")
	w.jobRuns()
	return master, worker, job
}

func TestExecOfAFailingJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start("powerhose", "run", "--workers", "1")
	w.ready(1)
	got := w.run("", "exec", "--service", "square", "seven")
	require.Equal(t, 1, got.code)
	require.Empty(t, got.stdout)
	require.Contains(t, got.stderr, "square: not a decimal integer")
	require.NotContains(t, got.stderr, "may have run", "a job error says so by itself")

	got = w.run("", "exec", "--service", "sleep", "--timeout", "200ms", "60000")
	require.Equal(t, 6, got.code, "%+v", got)
	require.Contains(t, got.stderr, "timed out running (the job may have run)")

	got = w.run("", "exec", "--service", "shave", "--no-wait", "yak")
	require.Equal(t, 3, got.code, "%+v", got)
	require.Contains(t, got.stderr, `the workers offer "burn", "crypto", "echo", "sleep", "square"`)
	w.runUntil(3, "exec", "--timeout", "200ms", "hello")

	got = w.run(strings.Repeat("x", 65537), "exec", "--service", "echo", "--max-message", "64KiB")
	require.Equal(t, 10, got.code, "%+v", got)

	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	cmd := w.command("powerhose", "exec", "--service", "echo", "x")
	cmd.Stdout = full
	got = w.runCommand(cmd, "")
	require.Equal(t, 13, got.code, "%+v", got)
	require.Contains(t, got.stderr, "write the result")
}

func TestExecWhenAllAreBusy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, _, job := busy(w)
	got := w.run("", "exec", "--service", "echo", "--no-wait", "x")
	require.Equal(t, 4, got.code, "%+v", got)
	require.NotContains(t, got.stderr, "may have run")
	got = w.runUntil(5, "exec", "--service", "echo", "--timeout", "300ms", "x")
	require.NotContains(t, got.stderr, "may have run")

	job.signal(os.Interrupt)
	require.Equal(t, 9, job.wait())
	require.Contains(t, job.stderr.String(), "cancelled (the job may have run)")
	require.Empty(t, job.stdout.String())
	require.Equal(t, result{0, "free again", ""}, w.run("", "exec", "--service", "echo", "free again"))
}

func TestExecWhenTheWorkerIsKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, worker, job := busy(w)
	worker.signal(syscall.SIGKILL)
	require.Equal(t, 7, job.wait())
	require.Contains(t, job.stderr.String(), "worker lost (the job may have run)")
}

func TestIdempotentJobSurvivesItsWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start("powerhose-master")
	worker := w.start("powerhose-worker")
	w.ready(1)
	job := w.start("powerhose", "exec", "--timeout", "1h", "--idempotent", "--service", "sleep", "500")
	w.jobRuns()
	worker.signal(syscall.SIGKILL)
	w.start("powerhose-worker")
	require.Zero(t, job.wait())
	require.Equal(t, "500", job.stdout.String())
}

func TestExecWhenTheMasterIsKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	master, _, job := busy(w)
	master.signal(syscall.SIGKILL)
	require.Equal(t, 8, job.wait())
	require.Contains(t, job.stderr.String(), "(the job may have run)")
}

func TestExecWhenTheMasterDrains(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	master, _, job := busy(w)
	master.signal(syscall.SIGTERM)
	w.eventually("it drains", func(s jobrunner.Status) bool { return s.Draining })
	// Another master may take its place in time; if none does, it depends on what
	// the runner learns first: that this one drains, or that it wants no jobs.
	got := w.run("", "exec", "--service", "echo", "--timeout", "300ms", "x")
	require.Contains(t, []int{8, 12}, got.code, "%+v", got)
	require.NotContains(t, got.stderr, "may have run")
	got = w.run("", "check", "--wait", "100ms")
	require.Equal(t, 2, got.code)
	require.Contains(t, got.stdout, "is draining")
	job.signal(os.Interrupt)
	require.Equal(t, 9, job.wait())
	require.Zero(t, master.wait())
}

func TestWithoutAMaster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.run("", "exec", "--timeout", "200ms", "x")
	require.Equal(t, 8, got.code, "%+v", got)
	require.NotContains(t, got.stderr, "may have run")
	require.Contains(t, got.stderr, "no master answers at ipc://")
	got = w.run("", "exec", "--no-wait", "--timeout", "200ms", "x")
	require.Equal(t, 8, got.code, "%+v", got)

	got = w.run("", "status", "--timeout", "200ms")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "no master answers at ipc://"+w.dir+"/powerhose/frontend.sock")

	since := time.Now()
	got = w.run("", "check", "--wait", "200ms")
	require.Equal(t, result{2, "CRITICAL: no master answers at ipc://" + w.dir + "/powerhose/frontend.sock\n", ""}, got)
	require.GreaterOrEqual(t, time.Since(since), 200*time.Millisecond)
}

func TestInterruptWhileReadingTheJob(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start("powerhose-master")
	w.ready(0)
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer write.Close()
	cmd := w.command("powerhose", "exec")
	cmd.Stdin = read
	job := w.startCommand(cmd)
	read.Close()
	// It connects before it reads, so by then it takes signals.
	w.eventually("it is connected", func(s jobrunner.Status) bool { return s.Runners == 2 })
	job.signal(syscall.SIGTERM)
	require.Equal(t, 9, job.wait())
	require.Contains(t, job.stderr.String(), "while reading the job")
}

func TestCheckCountsWorkers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	master := w.start("powerhose-master")
	w.ready(0)
	got := w.run("", "check", "--wait", "100ms", "--workers", "1")
	require.Equal(t, 2, got.code)
	require.Contains(t, got.stdout, "has 0 of 1 workers")
	w.start("powerhose-worker")
	require.Equal(t, master.pid(), w.ready(1).PID)
}
