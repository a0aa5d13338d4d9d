// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/jobrunner"
	"github.com/powerhose/powerhose/protocol"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	describe(&b, jobrunner.Status{
		PID: 42, Host: "here", Version: "0.1.0", Uptime: 3725.4, Draining: true,
		Frontend: "ipc:///f", Backend: "ipc:///b", Runners: 2,
		Jobs: protocol.JobStatus{
			Waiting: 1, WaitingBytes: 2048, Running: 2, Submitted: 18,
			Outcomes: map[string]uint64{"ok": 12, "busy": 3, "refused": 0},
		},
		Workers: []protocol.WorkerStatus{
			{ID: "w2", PID: 101, Host: "here", Language: "c++", Services: []string{"crypto"}, Capacity: 2, Running: 2, Done: 7, Failed: 1, Age: 60},
			{ID: "w1\x1b[2J", PID: 100, Host: "here\n", Services: []string{"", "echo"}, Capacity: 1, Draining: true, Age: 1},
		},
		Services: []protocol.ServiceStatus{{Name: "", Workers: 1, Capacity: 1}, {Name: "crypto", Workers: 1, Capacity: 2, Waiting: 1, TypicalRun: 1.25}},
		Counters: protocol.CounterStatus{Assigned: 15, Late: 1},
	})
	require.Equal(t, `master       draining, process 42 on here, version 0.1.0, up 1h2m5s
frontend     ipc:///f, 2 connected
backend      ipc:///b, 2 workers
jobs now     1 waiting (2KiB), 2 running, 0 abandoned
jobs so far  18 submitted, 3 busy, 12 ok
counters     15 assigned, 1 late

WORKER  PID  HOST   LANGUAGE  SERVICES  CAPACITY  RUNNING  DONE  FAILED  AGE   STATE
w2      101  here   c++       crypto    2         2        7     1       1m0s  busy
w1?[2J  100  here?  -         "",echo   1         0        0     0       1s    draining

SERVICE  WORKERS  CAPACITY  WAITING  TYPICAL RUN
""       1        1         0        -
crypto   1        2         1        1.25ms
`, b.String())
}

func TestEveryOutcomeHasItsExitCode(t *testing.T) {
	t.Parallel()
	codes := map[int]bool{}
	var told []error
	for _, o := range outcomes {
		require.False(t, codes[o.code], "%d twice", o.code)
		codes[o.code] = true
		if o.err != nil {
			told = append(told, o.err)
		}
	}
	require.ElementsMatch(t, []error{
		jobrunner.ErrJob, jobrunner.ErrNoWorker, jobrunner.ErrBusy, jobrunner.ErrTimedOutWaiting, jobrunner.ErrTimedOutRunning,
		jobrunner.ErrWorkerLost, jobrunner.ErrMasterLost, jobrunner.ErrCancelled, jobrunner.ErrTooLarge, jobrunner.ErrRefused, jobrunner.ErrClosed,
	}, told)
}
