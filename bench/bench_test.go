// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	playRole() // the peers' processes are this program again
	os.Exit(m.Run())
}

// shortest is enough to see that something is measured.
var shortest = settings{rounds: 1, warmMS: 10, lengthMS: 50, bcryptCost: 4}

// Tests with processes are not parallel: after each run all descendants of this
// process are killed.
func TestEachPeerDoesSomeJobs(t *testing.T) {
	o := options{settings: shortest, cases: "echo", callers: 16}
	r, err := measureAll(t.Context(), o, t.Output())
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, r.write(dir))
	text, err := os.ReadFile(filepath.Join(dir, "results.json"))
	require.NoError(t, err)
	var rows []row
	require.NoError(t, json.Unmarshal(text, &rows))
	require.Len(t, rows, len(echo().peers()))
	for _, row := range rows {
		t.Run(row.Peer+" "+row.Worker+" "+row.Client, func(t *testing.T) {
			if row.Skipped != "" {
				// No test of ours: make bench-deps installs servers, which
				// nobody wants who only runs the tests.
				t.Logf("not measured: %s", row.Skipped)
				return
			}
			require.Empty(t, row.Failed)
			require.Positive(t, row.Jobs)
			require.Positive(t, row.P50)
			require.Positive(t, row.CPU)
			require.Greater(t, row.RSS, float64(1<<20))
			require.NotEmpty(t, row.Machine)
			require.Contains(t, row.Versions, "libzmq")
		})
	}
	for _, file := range []string{"results.md", "echo-jobs.png", "echo-jobs.svg"} {
		info, err := os.Stat(filepath.Join(dir, file))
		require.NoError(t, err)
		require.NotZero(t, info.Size())
	}
}

func TestGoalComparesWithinEachRound(t *testing.T) {
	t.Parallel()
	ours, theirs := echoPlace("powerhose-embedded", 1), echoPlace("nats", 1)
	r := &results{rounds: map[place][]*measurement{
		ours:   {{P50: 10}, {P50: 200}, nil, {P50: 33}},
		theirs: {{P50: 20}, {P50: 400}, {P50: 1}, {P50: 60}},
	}}
	g := goal{metric: p50, over: ours, under: theirs, atMost: 0.5}
	ratio, met, ok := g.judge(r)
	require.True(t, ok)
	require.True(t, met)
	require.Equal(t, spread{median: 0.5, least: 0.5, most: 0.55}, ratio)

	g.atMost = 0.49
	_, met, _ = g.judge(r)
	require.False(t, met)

	g.under.peer = "grpc"
	_, _, ok = g.judge(r)
	require.False(t, ok, "nothing to compare with")
}

func TestMedianOfEvenAndOddNumbers(t *testing.T) {
	t.Parallel()
	require.Equal(t, spread{2, 1, 9}, spreadOf([]float64{9, 1, 2}))
	require.Equal(t, spread{2.5, 1, 9}, spreadOf([]float64{9, 3, 1, 2}))
	require.Equal(t, spread{7, 7, 7}, spreadOf([]float64{7}))
}

func TestNumbersAreReadable(t *testing.T) {
	t.Parallel()
	for want, x := range map[string]float64{"0.12": 0.123, "12.3": 12.34, "123": 123.4, "1 234": 1234, "1 234 567": 1234567} {
		require.Equal(t, want, short(x))
	}
}

func TestMeterCountsOnlyWhileOn(t *testing.T) {
	t.Parallel()
	m := newMeter()
	m.done(0, time.Hour)
	m.on.Store(true)
	for caller := range 100 {
		m.done(caller, time.Millisecond)
	}
	m.on.Store(false)
	m.done(0, time.Hour)
	var r measurement
	r.fill(m.times())
	require.EqualValues(t, 100, r.Jobs)
	require.InEpsilon(t, 1000, r.P999, 0.01)
}

func TestUsageSeesThisProcess(t *testing.T) {
	t.Parallel()
	before, err := usageNow()
	require.NoError(t, err)
	require.Equal(t, os.Getpid(), before.pids[0])
	var used unix.Rusage
	require.NoError(t, unix.Getrusage(unix.RUSAGE_SELF, &used))
	require.InDelta(t, float64(used.Utime.Nano()+used.Stime.Nano())/1e9, before.cpu.Seconds(), 0.5)
	for sum := 0; ; sum++ { // burn some
		after, err := usageOf([]int{os.Getpid()})
		require.NoError(t, err)
		if after.cpu > before.cpu {
			break
		}
	}
	rss, err := peakRSS(before.pids[:1])
	require.NoError(t, err)
	require.Greater(t, rss, int64(1<<20))
}
