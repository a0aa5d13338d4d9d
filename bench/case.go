// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strconv"
)

// experiment is a case of the benchmark: what is asked of the peers, and what
// ours have to reach.
type experiment struct {
	name  string
	title string // for people
	// works are its points, in the order of the tables.
	works func(s settings) []work
	// peers take part, by id.
	peers func() []string
	goals []goal
	// plots draws its pictures into the folder.
	plots func(r *results, dir string) error
}

// experiments in the order in which they run.
func experiments() []*experiment { return []*experiment{echo()} }

// settings say how long and how often is measured.
type settings struct {
	rounds, warmMS, lengthMS int
	// A run during which others used more than noise processors is repeated, up
	// to tries in all.
	noise float64
	tries int
}

var (
	quick = settings{rounds: 3, warmMS: 200, lengthMS: 500, tries: 1}
	full  = settings{rounds: 9, warmMS: 1000, lengthMS: 3000, noise: 0.2, tries: 5}
)

// place is a point of an experiment at which a peer was measured.
type place struct {
	peer    string // its id
	callers int
	payload int
}

func (w work) place(peer string) place { return place{peer, w.Callers, w.Payload} }

// metric is a figure by which two places are compared.
type metric string

const (
	p50  metric = "p50"
	rate metric = "jobs/s"
)

func (m metric) of(r measurement) float64 {
	if m == p50 {
		return r.P50
	}
	return r.rate()
}

func (r measurement) rate() float64 { return float64(r.Jobs) / r.Seconds }

// goal is a target: the ratio of a figure at one place to the same at another,
// measured in the same round.
type goal struct {
	metric      metric
	over, under place
	atMost      float64 // either this
	atLeast     float64 // or this
}

func (g goal) String() string {
	beside := g.under.peer
	if g.over.peer == g.under.peer {
		beside = "its own at " + callers(g.under.callers)
	}
	return fmt.Sprintf("%s, %s: %s beside %s", g.over.peer, callers(g.over.callers), g.metric, beside)
}

func callers(n int) string {
	if n == 1 {
		return "1 caller"
	}
	return strconv.Itoa(n) + " callers"
}

// wanted says what the ratio has to be.
func (g goal) wanted() string {
	if g.atMost > 0 {
		return fmt.Sprintf("≤ %.2f", g.atMost)
	}
	return fmt.Sprintf("≥ %.2f", g.atLeast)
}

// judge computes the ratio of each round and compares the median.
func (g goal) judge(r *results) (ratio spread, met, ok bool) {
	over, under := r.rounds[g.over], r.rounds[g.under]
	var ratios []float64
	for i := range min(len(over), len(under)) {
		if over[i] != nil && under[i] != nil {
			ratios = append(ratios, g.metric.of(*over[i])/g.metric.of(*under[i]))
		}
	}
	if len(ratios) == 0 {
		return spread{}, false, false
	}
	ratio = spreadOf(ratios)
	if g.atMost > 0 {
		return ratio, ratio.median <= g.atMost, true
	}
	return ratio, ratio.median >= g.atLeast, true
}

// spread is what several rounds say of one figure.
type spread struct{ median, least, most float64 }

func spreadOf(values []float64) spread {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return spread{median: (sorted[(n-1)/2] + sorted[n/2]) / 2, least: sorted[0], most: sorted[n-1]}
}
