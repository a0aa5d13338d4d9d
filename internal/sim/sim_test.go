// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fail shows what make sim would.
func fail(t *testing.T, f *Failure) {
	t.Helper()
	t.Fatalf("%v\n%s\nagain: go run ./internal/sim/powerhose-sim -seed %d%v -trace", f, strings.Join(f.Trace, "\n"), f.Seed, f.Cuts)
}

// Every seed keeps every promise. make sim plays more of them.
func TestSeeds(t *testing.T) {
	t.Parallel()
	const groups = 4
	var totals [groups]Stats
	t.Run("groups", func(t *testing.T) {
		for group := range uint64(groups) {
			t.Run(fmt.Sprint(group), func(t *testing.T) {
				t.Parallel()
				for seed := 1 + group; seed <= seeds; seed += groups {
					res := Run(seed, Options{})
					if res.Failure != nil {
						fail(t, res.Failure)
					}
					totals[group].Add(&res.Stats)
				}
			})
		}
	})
	for i := range groups - 1 {
		totals[0].Add(&totals[i+1])
	}
	if seeds < 50 {
		return
	}
	require.Empty(t, totals[0].Never(), "what never happens is not tested")
}

// found are seeds that failed once, each with what it showed.
var found = map[uint64]string{
	26: "the second probe of a worker's own socket ended the master",
}

func TestSeedsThatFailedOnce(t *testing.T) {
	t.Parallel()
	for seed, why := range found {
		if res := Run(seed, Options{}); res.Failure != nil {
			t.Log(why)
			fail(t, res.Failure)
		}
	}
}

func TestSeedMeansTheSameEachTime(t *testing.T) {
	t.Parallel()
	for seed := uint64(100); seed < 104; seed++ {
		first := Run(seed, Options{})
		require.Equal(t, first, Run(seed, Options{}), "seed %d", seed)
		var trace strings.Builder
		traced := Run(seed, Options{Trace: &trace})
		require.Equal(t, first, traced, "seed %d: a trace makes no difference", seed)
		require.Greater(t, strings.Count(trace.String(), "\n"), 100)
	}
}

func TestSeedsDiffer(t *testing.T) {
	t.Parallel()
	digests := map[uint32]uint64{}
	kinds := map[Kind]int{}
	for seed := uint64(200); seed < 220; seed++ {
		other, ok := digests[Run(seed, Options{}).Digest]
		require.False(t, ok, "seeds %d and %d are the same", seed, other)
		digests[Run(seed, Options{}).Digest] = seed
		kinds[Draw(seed).Kind]++
	}
	require.Len(t, kinds, 3)
}

// Cuts leave the rest of a script as it is, so that a failure can be made smaller.
func TestCuts(t *testing.T) {
	t.Parallel()
	s := Draw(300)
	parts := s.parts(Cuts{})
	require.Contains(t, parts, "worker0")
	whole, cut := Run(300, Options{}), Run(300, Options{Cuts: Cuts{Without: parts, Until: 100 * time.Millisecond}})
	require.Nil(t, cut.Failure)
	require.Less(t, cut.Events, whole.Events)
	require.Zero(t, cut.Faulted())
	require.NotContains(t, s.parts(Cuts{Without: []string{"worker0"}}), "worker0")
}

// A failure says what happened to the job, and is made smaller.
func TestFailureIsShownAndShrunk(t *testing.T) {
	t.Parallel()
	var f *Failure
	for seed := uint64(1); f == nil; seed++ {
		require.Less(t, seed, uint64(100), "nobody notices that the start ledger does nothing")
		f = Run(seed, Options{sabotage: true}).Failure
	}
	require.Contains(t, f.Text, "runs")
	require.Contains(t, strings.Join(f.Trace, "\n"), "the handler is called")

	small := Shrink(f)
	require.NotEmpty(t, small.Cuts.Without)
	require.NotEmpty(t, small.Trace)
	again := Run(f.Seed, Options{Cuts: small.Cuts, sabotage: true})
	require.NotNil(t, again.Failure)
	require.Equal(t, small.Text, again.Failure.Text)
	require.Equal(t, f.gist(), small.gist())
	s := Draw(f.Seed)
	require.Less(t, len(s.parts(small.Cuts)), len(s.parts(Cuts{}))/2)
}
