// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/jobrunner"
)

func TestSecondMasterIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.start("powerhose-master")
	w.ready(0)
	for _, second := range [][]string{{"powerhose-master"}, {"powerhose", "run"}} {
		got := w.runCommand(w.command(second[0], second[1:]...), "")
		require.Equal(t, 3, got.code, "%+v", got)
		require.Contains(t, got.stderr, strconv.Itoa(first.pid()))
	}
	require.Equal(t, first.pid(), w.status().PID, "the first still serves")

	first.signal(syscall.SIGKILL)
	first.wait()
	third := w.start("powerhose-master")
	require.Equal(t, third.pid(), w.ready(0).PID)
}

func TestMasterDrains(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	master := w.start("powerhose-master")
	w.start("powerhose-worker")
	w.ready(1)
	job := w.start("powerhose", "exec", "--service", "sleep", "500")
	w.jobRuns()
	master.signal(syscall.SIGTERM)
	require.Zero(t, job.wait())
	require.Equal(t, "500", job.stdout.String())
	require.Zero(t, master.wait())
	require.Contains(t, master.stderr.String(), "drained")
}

func TestSecondSignalEndsTheMasterAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	master, _, _ := busy(w)
	master.signal(syscall.SIGTERM)
	w.eventually("it drains", func(s jobrunner.Status) bool { return s.Draining })
	require.Equal(t, 1, master.insist(syscall.SIGTERM))
}

func TestWorkerDrains(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start("powerhose-master")
	worker := w.start("powerhose-worker")
	w.ready(1)
	job := w.start("powerhose", "exec", "--service", "sleep", "500")
	w.jobRuns()
	worker.signal(syscall.SIGTERM)
	require.Zero(t, job.wait())
	require.Zero(t, worker.wait())
	require.Empty(t, w.status().Workers)
}

func TestWorkerWithoutAMaster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	since := time.Now()
	worker := w.start("powerhose-worker", "--patience", "300ms")
	require.Equal(t, 3, worker.wait())
	require.GreaterOrEqual(t, time.Since(since), 300*time.Millisecond)
	require.Contains(t, worker.stderr.String(), "the master is gone")
}

func TestMasterComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	master := w.start("powerhose-master")
	worker := w.start("powerhose-worker", "--patience", "1m")
	w.ready(1)
	master.signal(syscall.SIGKILL)
	master.wait()
	w.start("powerhose-master")
	s := w.ready(1)
	require.Equal(t, worker.pid(), s.Workers[0].PID)
	require.Equal(t, "25", w.run("", "exec", "--service", "square", "5").stdout)
}

func TestTCPOnThisMachine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	master := w.start("powerhose-master", "--frontend", "tcp://127.0.0.1:*", "--backend", "tcp://127.0.0.1:0", "--log-format", "json")
	frontend, backend := serving(t, master)
	require.Regexp(t, `^tcp://127\.0\.0\.1:[1-9]\d*$`, frontend)
	require.NotEqual(t, frontend, backend)
	w.start("powerhose-worker", "--backend", backend)
	w.ready(1, "--frontend", frontend)
	require.Equal(t, result{0, "81", ""}, w.run("", "exec", "--frontend", frontend, "--service", "square", "9"))
	require.Contains(t, w.run("", "status", "--frontend", frontend).stdout, backend)
}

func TestEndpointsFromTheEnvironment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = append(w.env, "POWERHOSE_FRONTEND=ipc://"+w.dir+"/f", "POWERHOSE_BACKEND=ipc://"+w.dir+"/b", "POWERHOSE_CAPACITY=2")
	w.start("powerhose", "run", "--workers", "1")
	s := w.ready(1)
	require.Equal(t, "ipc://"+w.dir+"/f", s.Frontend)
	require.Equal(t, "ipc://"+w.dir+"/b", s.Backend)
	require.Equal(t, 2, s.Workers[0].Capacity)
}

func TestWorkerWithASocketOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start("powerhose-master")
	own := "ipc://" + w.dir + "/powerhose/own.sock"
	w.start("powerhose-worker", "--listen", own)
	require.Equal(t, own+".1", w.ready(1).Workers[0].Endpoint)
	require.Equal(t, "36", w.run("", "exec", "--service", "square", "6").stdout)
}

// serving waits for a program's log, in JSON, to say where it serves.
func serving(t *testing.T, p *process) (frontend, backend string) {
	t.Helper()
	for since := time.Now(); time.Since(since) < patience; {
		for line := range strings.Lines(p.stderr.String()) {
			var entry struct{ Msg, Frontend, Backend string }
			if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "serving" {
				return entry.Frontend, entry.Backend
			}
		}
		select {
		case <-p.ended:
			require.FailNow(t, "it has ended", "%s", p.stderr.String())
		case <-time.After(time.Millisecond):
		}
	}
	require.FailNow(t, "it does not serve", "%s", p.stderr.String())
	return "", ""
}
