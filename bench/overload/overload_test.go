// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/bench/internal/rig"
	"github.com/powerhose/powerhose/jobrunner"
)

func TestMain(m *testing.M) {
	rig.Main(nil)
	os.Exit(m.Run())
}

func TestArrivals(t *testing.T) {
	t.Parallel()
	at := poisson(rand.New(rand.NewPCG(1, 2)), 1000, time.Second)
	require.Len(t, at, 1000)
	require.True(t, slices.IsSorted(at))
	require.Less(t, at[999], time.Second)
	// Half of the gaps of a Poisson process are shorter than ln 2 of the mean.
	short := 0
	for i := range at[1:] {
		if at[i+1]-at[i] < 693*time.Microsecond {
			short++
		}
	}
	require.InDelta(t, 500, short, 60)
	require.Equal(t, []time.Duration{0, time.Second, 2 * time.Second}, even(3, 3*time.Second))
}

func TestTallyCountsWhatEndsInTheMeasuredTime(t *testing.T) {
	t.Parallel()
	ms := time.Millisecond
	l := &loop{job: jobrunner.Job{Timeout: 100 * ms}, arrivals: []arrival{
		{due: 0, begun: 0, ended: 90 * ms, outcome: done}, // before
		{due: 50 * ms, begun: 50 * ms, ended: 130 * ms, outcome: done},
		{due: 100 * ms, begun: 101 * ms, ended: 102 * ms, outcome: refused},
		{due: 110 * ms, begun: 110 * ms, ended: 212 * ms, outcome: waited}, // 2 ms late, and after
		{due: 120 * ms, begun: 120 * ms, ended: 180 * ms, outcome: ran},
		{due: 150 * ms, begun: 150 * ms, ended: 190 * ms, outcome: other, err: jobrunner.ErrWorkerLost},
	}}
	got := l.tally(100*ms, 200*ms)
	require.InDelta(t, 40, got.Offered, 0)
	require.InDelta(t, 10, got.Goodput, 0)
	require.InDelta(t, 10, got.Refused, 0)
	require.Zero(t, got.Waited)
	require.InDelta(t, 10, got.Ran, 0)
	require.Equal(t, 1, got.Other)
	require.InEpsilon(t, 1, got.RefusedP99, 0.01)
	require.InEpsilon(t, 80, got.DoneP50, 0.01)
	require.InEpsilon(t, 2, got.Late, 0.01)
}

func TestAllIsWellAfterTenInARow(t *testing.T) {
	t.Parallel()
	var arrivals []arrival
	for i := range 30 {
		arrivals = append(arrivals, arrival{due: time.Duration(i)})
	}
	at, ok := well(arrivals)
	require.True(t, ok)
	require.Zero(t, at)
	arrivals[9].outcome, arrivals[12].outcome = refused, ran
	at, ok = well(arrivals)
	require.True(t, ok)
	require.EqualValues(t, 13, at)
	arrivals[20].outcome = waited
	_, ok = well(arrivals[:29])
	require.False(t, ok)
}

// How much is done in time depends on the machine, that something is does not.
func TestEachSetupIsFlooded(t *testing.T) {
	t.Parallel()
	runtime.LockOSThread() // the processes live as long as this thread
	defer runtime.UnlockOSThread()
	o := options{loads: []float64{5}, sleepers: 2, job: 10 * time.Millisecond, deadline: 20, length: 300 * time.Millisecond, rounds: 1}
	r := &report{options: o, machine: rig.Machine()}
	for _, s := range setups(o) {
		series, err := s.measure(t.Context(), o)
		require.NoError(t, err)
		require.Len(t, series.Points, 1)
		for _, p := range series.Points {
			require.Zero(t, p.Other, p.OtherErr)
			require.Positive(t, p.Goodput)
			require.Greater(t, p.RSSMost, int64(1<<20))
		}
		require.Positive(t, series.Points[0].Refused+series.Points[0].Waited)
		r.series = append(r.series, series)
	}
	dir := t.TempDir()
	require.NoError(t, r.write(dir))
	for _, file := range []string{"overload.md", "overload.json", "goodput.png", "goodput.svg"} {
		info, err := os.Stat(filepath.Join(dir, file))
		require.NoError(t, err)
		require.NotZero(t, info.Size())
	}
}
