// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"slices"
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
	// plots draws its pictures into the folder; nil: there are none.
	plots func(r *results, dir string) error

	// needs names programs by the peer that runs them in this case, beside those
	// that it always runs (see tools.go).
	needs map[string][]string
	// measure is what a load process does; nil: closedLoop, or the peer's drive.
	measure func(ctx context.Context, s *site, p *peer) (measurement, error)
	// columns of its table; nil: those of echo.
	columns []column
	// finish adds to its rows what only all of them together can tell; nil:
	// nothing.
	finish func(r *results, rows []row)
}

// experimentByName returns the case; nil if there is none.
func experimentByName(name string) *experiment {
	for _, x := range experiments() {
		if x.name == name {
			return x
		}
	}
	return nil
}

// experiments in the order in which they run.
func experiments() []*experiment {
	return []*experiment{web(), echo(), cpu(), octets(), start(), growth(), crypto()}
}

// settings say how long and how often is measured.
type settings struct {
	rounds, warmMS, lengthMS int
	// A run during which others used more than noise processors is repeated, up
	// to tries in all.
	noise float64
	tries int
	// The login flood is warmed up and measured for at least so long: its clients
	// wait for up to a second.
	floodWarmMS, floodLengthMS int
	// bcryptCost is the work of a login, 4 to 31: each step doubles it.
	bcryptCost int
}

// The quick form of all cases takes four and a half minutes, a third of it for
// starting and stopping processes. It must not take five.
var (
	quick = settings{rounds: 3, warmMS: 100, lengthMS: 180, tries: 1, floodWarmMS: 2000, floodLengthMS: 2800, bcryptCost: 10}
	full  = settings{rounds: 9, warmMS: 1000, lengthMS: 3000, noise: 0.2, tries: 5, bcryptCost: 10}
)

// place is a point of an experiment at which a peer was measured.
type place struct {
	experiment string
	peer       string // its id
	callers    int
	payload    int
	point      string // see work
}

func (w work) place(peer string) place { return place{w.Case, peer, w.Callers, w.Payload, w.Point} }

// metric is a figure by which two places are compared: one of these, or the key
// of one that a case adds.
type metric string

const (
	p50           metric = "p50"
	rate          metric = "jobs/s"
	processorTime metric = "CPU per job"
)

func (m metric) of(r measurement) float64 {
	switch m {
	case p50:
		return r.P50
	case rate:
		return r.rate()
	case processorTime:
		return r.CPU
	}
	return r.More[string(m)]
}

func (r measurement) rate() float64 { return float64(r.Jobs) / r.Seconds }

// goal is a target: the ratio of a figure at one place to the same at another,
// measured in the same round; or the figure itself, if there is no other.
type goal struct {
	metric      metric
	over, under place
	atMost      float64 // either this
	atLeast     float64 // or this
}

func (g goal) String() string {
	what := g.over.peer
	if g.over.point != "" {
		what += ", " + g.over.point
	}
	if g.over.experiment != "growth" { // its points tell
		what += ", " + count(g.over.callers, "caller")
	}
	what += ": " + string(g.metric)
	switch {
	case g.under == place{}:
		return what
	case g.over.peer != g.under.peer:
		return what + " beside " + g.under.peer
	case g.under.point != "":
		return what + " beside its own at " + g.under.point
	}
	return what + " beside its own at " + count(g.under.callers, "caller")
}

// wanted says what the ratio has to be.
func (g goal) wanted() string {
	if g.atMost > 0 {
		return "≤ " + short(g.atMost)
	}
	return "≥ " + short(g.atLeast)
}

// judge computes the ratio of each round and compares the median.
func (g goal) judge(r *results) (ratio spread, met, ok bool) {
	over, under := r.rounds[g.over], r.rounds[g.under]
	var ratios []float64
	for i, m := range over {
		switch {
		case m == nil:
		case g.under == place{}:
			ratios = append(ratios, g.metric.of(*m))
		case i < len(under) && under[i] != nil:
			ratios = append(ratios, g.metric.of(*m)/g.metric.of(*under[i]))
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
