// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// shrinkRuns bounds how often a seed is played to make its script smaller.
const shrinkRuns = 400

// Shrink leaves out as much of a failing seed's script as it can, as long as it
// still fails in the same way.
func Shrink(f *Failure) *Failure {
	best, runs := f, 0
	try := func(c Cuts) bool {
		if runs++; runs > shrinkRuns {
			return false
		}
		if res := play(f.Seed, Options{Cuts: c, sabotage: f.options.sabotage}); res.Failure != nil && res.Failure.gist() == f.gist() {
			best = res.Failure
			return true
		}
		return false
	}
	for _, d := range []time.Duration{f.At + time.Millisecond, f.At, f.At / 2} {
		if d < Draw(f.Seed).Duration {
			try(Cuts{Without: best.Cuts.Without, Until: d})
		}
	}
	for again := true; again && runs < shrinkRuns; {
		again = false
		for size := len(Draw(f.Seed).parts(best.Cuts)); size > 0; size /= 2 {
			parts := Draw(f.Seed).parts(best.Cuts)
			for i := 0; i < len(parts); i += size {
				some := parts[i:min(i+size, len(parts))]
				without := append(append([]string(nil), best.Cuts.Without...), some...)
				again = try(Cuts{Without: without, Until: best.Cuts.Until}) || again
			}
		}
	}
	res := play(f.Seed, Options{Cuts: best.Cuts, keep: true, sabotage: f.options.sabotage})
	if res.Failure == nil {
		return f
	}
	return res.Failure
}

// gist is what is the same for two failures of one kind: the words of the first
// line that have no digits.
func (f *Failure) gist() string {
	line, _, _ := strings.Cut(f.Text, "\n")
	if _, text, ok := strings.Cut(line, "): "); ok { // what it says of a job
		line = text
	}
	words := strings.Fields(line)
	words = slices.DeleteFunc(words, func(word string) bool { return strings.ContainsAny(word, "0123456789") })
	return strings.Join(words, " ")
}

// parts are what can be left out and is not yet.
func (s *Script) parts(c Cuts) (parts []string) {
	add := func(name string) {
		if !c.leavesOut(name) {
			parts = append(parts, name)
		}
	}
	for i, f := range s.Faults {
		if c.Until == 0 || f.At < c.Until {
			add(fmt.Sprint("fault", i))
		}
	}
	for i := range s.Workers {
		add(fmt.Sprint("worker", i))
	}
	if s.Masters > 0 {
		for i := range s.Runners {
			add(fmt.Sprint("runner", i))
		}
	}
	for i := 1; i < s.Masters; i++ {
		add(fmt.Sprint("master", i))
	}
	return parts
}

// Describe tells what a script is, for people.
func (s *Script) Describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %v for %v, %d masters, %d hosts, delay %v, lag %v and %v, drift %d, %d messages a connection, libzmq's beats %v\n",
		s.Seed, s.Kind, s.Duration, s.Masters, s.Hosts, s.Delay, s.Lag, s.Spend, s.Drift, s.HWM, s.Beats)
	fmt.Fprintf(&b, "  dispatch %+v, batch %d, prefetch %d\n", s.Hub.Dispatch, s.Hub.Batch, s.Hub.Prefetch)
	fmt.Fprintf(&b, "  load %+v, unsent %d, batch of runners %d, they watch %v, patience %v, drain %v, bad ledgers 1 in %d\n",
		s.Load, s.Unsent, s.RunnerBatch, s.RunnersWatch, s.Patience, s.WorkerDrain, s.BadLedgers)
	for _, sv := range s.Services {
		fmt.Fprintf(&b, "  service %q: %v, 1 in %d takes %v\n", sv.Name, sv.Run, sv.Odd, sv.Long)
	}
	for i, r := range s.Runners {
		fmt.Fprintf(&b, "  runner%d: %+v\n", i, r)
	}
	for i, k := range s.Workers {
		fmt.Fprintf(&b, "  worker%d: %+v\n", i, k)
	}
	for i := range s.Faults {
		fmt.Fprintf(&b, "  fault%d: %v\n", i, &s.Faults[i])
	}
	return b.String()
}
