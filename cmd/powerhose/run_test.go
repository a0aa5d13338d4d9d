// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/powerhose/powerhose/jobrunner"
)

func TestRunExecStatusCheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.start("powerhose", "run", "--workers", "2")
	check := w.run("", "check", "--wait", "15s", "--workers", "2")
	require.Equal(t, result{0, fmt.Sprintf("%d\n", run.pid()), ""}, check)

	require.Equal(t, result{0, "144", ""}, w.run("", "exec", "--service", "square", "12"))
	require.Equal(t, result{0, "49", ""}, w.run("", "exec", "--service", "square", "--", "-7"))
	require.Equal(t, result{0, "10", ""}, w.run("10", "exec", "--service", "sleep"))
	require.Equal(t, result{0, "5", ""}, w.run("5\n", "exec", "--service", "burn", "-"))

	s := w.status()
	require.Equal(t, run.pid(), s.PID)
	require.Len(t, s.Workers, 2)
	done := 0
	for _, worker := range s.Workers {
		require.NotEmpty(t, worker.ID)
		require.Equal(t, "go", worker.Language)
		require.Equal(t, []string{"burn", "crypto", "echo", "sleep", "square"}, worker.Services)
		require.Zero(t, worker.Running)
		done += int(worker.Done)
		nice, err := unix.Getpriority(unix.PRIO_PROCESS, worker.PID)
		require.NoError(t, err)
		own, err := unix.Getpriority(unix.PRIO_PROCESS, run.pid())
		require.NoError(t, err)
		require.Equal(t, min(20-own+jobrunner.DefaultNice, 19), 20-nice)
	}
	require.Equal(t, 4, done)

	table := w.run("", "status")
	require.Zero(t, table.code)
	for _, text := range []string{
		"serving, process " + strconv.Itoa(run.pid()), "2 workers", "4 submitted, 4 ok",
		strconv.Itoa(s.Workers[0].PID), "burn,crypto,echo,sleep,square", "idle", "TYPICAL RUN",
	} {
		require.Contains(t, table.stdout, text)
	}

	run.signal(os.Interrupt)
	require.Zero(t, run.wait())
	for _, pid := range pids(s) {
		require.False(t, alive(pid), "worker %d", pid)
	}
}

func TestStatusJSONMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start("powerhose", "run", "--workers", "1")
	w.ready(1)
	var object map[string]any
	require.NoError(t, json.Unmarshal([]byte(w.run("", "status", "--json").stdout), &object))
	workers, ok := object["workers"].([]any)
	require.True(t, ok)
	require.Len(t, workers, 1)
	for _, member := range []string{"id", "pid", "language", "services", "running", "done"} {
		require.Contains(t, workers[0], member)
	}
}

func TestPayloadsAreUntouched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start("powerhose", "run", "--workers", "1")
	w.ready(1)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for name, payload := range map[string]string{
		"nothing": "", "one byte": "\x00", "a newline": "\n", "every byte": string(every),
		"a megabyte": strings.Repeat(string(every), 4096), "no text": "\xff\xfe\r\n\x00",
	} {
		require.Equal(t, result{0, payload, ""}, w.run(payload, "exec", "--service", "echo"), name)
	}
	require.Equal(t, result{0, "", ""}, w.run("not read", "exec", "--service", "echo", ""))
}

func TestRunDrains(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.start("powerhose", "run", "--workers", "1")
	s := w.ready(1)
	job := w.start("powerhose", "exec", "--service", "sleep", "1000")
	w.jobRuns()
	run.signal(syscall.SIGTERM)
	run.signal(os.Interrupt) // so soon after the first it is taken for the same
	require.Zero(t, job.wait(), "a job that ran was lost")
	require.Equal(t, "1000", job.stdout.String())
	require.Zero(t, run.wait())
	for _, text := range []string{"msg=serving", "msg=registered", "msg=drained"} {
		require.Contains(t, run.stderr.String(), text)
	}
	require.False(t, alive(s.Workers[0].PID))
}

func TestSecondSignalEndsRunAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.start("powerhose", "run", "--workers", "1")
	s := w.ready(1)
	job := w.start("powerhose", "exec", "--timeout", "1h", "--service", "sleep", "3600000")
	w.jobRuns()
	run.signal(os.Interrupt)
	w.eventually("it drains", func(s jobrunner.Status) bool { return s.Draining })
	require.True(t, alive(run.pid()))
	require.Equal(t, 1, run.insist(os.Interrupt))
	gone(t, s.Workers[0].PID)
	require.Equal(t, 8, job.wait(), "master lost")
}

func TestWorkersGoWithRunWhenItIsKilled(t *testing.T) {
	t.Parallel()
	for name, command := range map[string][]string{
		"a child":           nil,
		"a wrapper's child": {"sh", "-c", filepath.Join(bin, "powerhose-worker") + "; exit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			run := w.start("powerhose", append([]string{"run", "--workers", "2", "--"}, command...)...)
			s := w.ready(2)
			since := time.Now()
			run.signal(syscall.SIGKILL)
			gone(t, pids(s)...)
			t.Logf("workers gone %v after powerhose run was killed", time.Since(since).Round(10*time.Microsecond))
		})
	}
}

func TestRunReplacesDeadWorkers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start("powerhose", "run", "--workers", "2")
	before := pids(w.ready(2))
	require.NoError(t, syscall.Kill(before[0], syscall.SIGKILL))
	w.eventually("two workers, one of them new", func(s jobrunner.Status) bool {
		now := pids(s)
		return len(now) == 2 && !slices.Contains(now, before[0]) && slices.Contains(now, before[1])
	})
}

func TestRunWithACommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.start("powerhose", "run", "--workers", "1", "--", filepath.Join(bin, "powerhose-worker"), "--services", "echo", "--capacity", "3")
	s := w.ready(1)
	require.Equal(t, []string{"echo"}, s.Workers[0].Services)
	require.Equal(t, 3, s.Workers[0].Capacity)
	run.signal(os.Interrupt)
	require.Zero(t, run.wait())
}

func TestRunWithoutItsWorkerProgram(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alone := filepath.Join(w.dir, "alone")
	require.NoError(t, os.Link(filepath.Join(bin, "powerhose"), alone))
	cmd := w.command("powerhose", "run")
	cmd.Path = alone
	cmd.Env = append(cmd.Env, "PATH=/nowhere")
	got := w.runCommand(cmd, "")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "powerhose-worker is neither beside this program ("+alone+") nor in PATH")

	got = w.run("", "run", "--workers", "1", "--", "no-such-program")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, `"no-such-program": executable file not found`)
}

func TestNoPayloadInLogs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	run := w.start("powerhose", "run", "--workers", "1", "--log-level", "debug", "--log-format", "json")
	w.ready(1)
	const secret = "open sesame"
	require.Equal(t, secret, w.run(secret, "exec", "--service", "echo", "--log-level", "debug").stdout)
	failed := w.run(secret, "exec", "--service", "square")
	require.Equal(t, 1, failed.code)
	run.signal(os.Interrupt)
	require.Zero(t, run.wait())
	log := run.stderr.String()
	require.NotContains(t, log, secret)
	for line := range strings.Lines(log) {
		require.True(t, json.Valid([]byte(line)), line)
	}
}
