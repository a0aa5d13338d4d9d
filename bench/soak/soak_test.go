// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/bench/internal/rig"
)

func TestMain(m *testing.M) {
	rig.Main(roles)
	os.Exit(m.Run())
}

// noisy returns a series like a resident set: steps up and down around a level,
// each reading near the one before.
func noisy(random *rand.Rand, n int, level, noise float64) []reading {
	series := make([]reading, n)
	drift := 0.0
	for i := range series {
		drift = 0.7*drift + noise*random.NormFloat64()
		series[i] = reading{float64(i), level + drift}
	}
	return series
}

func TestTheSlopeIsFound(t *testing.T) {
	t.Parallel()
	var line []reading
	for i := range 100 {
		line = append(line, reading{float64(i), 5 + 3*float64(i)})
	}
	line[50].value = 1e9 // one wild reading changes nothing
	trend, ok := trendOf(line)
	require.True(t, ok)
	require.InDelta(t, 3, trend.slope, 1e-9)
	require.InDelta(t, 3, trend.low, 0.2)
	require.InDelta(t, 3, trend.high, 0.2)
	require.InDelta(t, 99, trend.span, 0)
	require.InDelta(t, 297, trend.growth(), 20)

	_, ok = trendOf(line[:7])
	require.False(t, ok, "too few to tell")
}

func TestNoiseIsNoLeak(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	alarms := 0
	const tries = 1000
	for range tries {
		s := series{readings: noisy(random, 180, 20, 0.3), limit: limits[memory]}
		_, _, fine, ok := s.judge()
		require.True(t, ok)
		if !fine {
			alarms++
		}
	}
	require.Zero(t, alarms, "of %d runs", tries)
}

func TestALeakIsFoundInTheNoise(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	found := 0
	const tries = 1000
	for range tries {
		readings := noisy(random, 180, 20, 0.3)
		for i := range readings {
			readings[i].value += 0.04 * readings[i].at // 7 MiB in the end
		}
		s := series{readings: readings, limit: limits[memory]}
		_, _, fine, ok := s.judge()
		require.True(t, ok)
		if !fine {
			found++
		}
	}
	require.Greater(t, found, tries*99/100)
}

func TestWhatHappensBeforeItIsWarmIsNoLeak(t *testing.T) {
	t.Parallel()
	var s series
	s.limit = limits[memory]
	for i := range 200 {
		s.readings = append(s.readings, reading{float64(i), 30 * (1 - math.Exp(-float64(i)/8))})
	}
	trend, _, fine, ok := s.judge()
	require.True(t, ok)
	require.True(t, fine, "%+v", trend)
}

func TestAStepIsNoLeak(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 8))
	for at := range 20 { // wherever it is
		s := series{readings: noisy(random, 180, 20, 0.2), limit: limits[memory]}
		for i := range s.readings {
			if i > 9*at {
				s.readings[i].value += 3
			}
		}
		trend, _, fine, ok := s.judge()
		require.True(t, ok)
		require.True(t, fine, "at %d: %+v", 9*at, trend)
	}
}

// A few descriptors or goroutines are few and whole numbers, most of them equal.
func TestOneDescriptorEachMinuteIsFoundInAnHour(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	s := series{limit: limits[descriptors]}
	for i := range 3600 {
		s.readings = append(s.readings, reading{float64(i), float64(18 + i/60 + random.IntN(4))})
	}
	trend, _, fine, ok := s.judge()
	require.True(t, ok)
	require.False(t, fine, "%+v", trend)
}

// leaker asks a real process that leaks, or does not, again and again.
func leaker(t *testing.T, leak string) *house {
	runtime.LockOSThread() // the process lives as long as this thread
	defer runtime.UnlockOSThread()
	r, err := rig.New()
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	p, err := r.Role("leaker", leakVariable+"="+leak)
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Stop(syscall.SIGTERM)) }()
	h := &house{options: options{log: t.Output()}}
	for i := range 120 {
		require.NoError(t, h.look(p, float64(i)))
	}
	return h
}

func TestALeakOfARealProcessIsFound(t *testing.T) {
	t.Parallel()
	for leak, figures := range map[string][]string{
		"":           nil,
		"memory":     {memory, heap},
		"goroutine":  {goroutines},
		"descriptor": {descriptors},
	} {
		t.Run("leak "+leak, func(t *testing.T) {
			t.Parallel()
			h := leaker(t, leak)
			_, err := h.report(0)
			if leak == "" {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			for _, figure := range figures {
				require.ErrorContains(t, err, "leaker: "+figure+" grows")
			}
		})
	}
}

// TestSoakForAMoment keeps every promise for three seconds. What a trend of
// three seconds says is another question.
func TestSoakForAMoment(t *testing.T) {
	t.Parallel()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	h := &house{options: options{time: 3 * time.Second, rate: 500, every: 200 * time.Millisecond, seed: 1, log: t.Output()}}
	require.NoError(t, h.live(t.Context()))
	require.Zero(t, h.last.Wrong, h.last.WrongText)
	require.Positive(t, h.last.OK)
	require.Positive(t, h.last.JobError)
	require.Positive(t, h.faults.killed+h.faults.drained+h.faults.stopped)
	text, _ := h.report(time.Second)
	measured := map[string]int{}
	for _, s := range h.series {
		measured[s.process]++
	}
	require.Equal(t, map[string]int{"master": 5, "worker in Go": 5, "runner": 7}, measured)
	require.NoError(t, h.write(t.TempDir(), text))
}
