// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"slices"
)

// reading is a figure at a moment, in seconds since the beginning.
type reading struct{ at, value float64 }

// trend is how a figure changes over a run.
type trend struct {
	first, last      float64 // medians of the first and the last tenth
	slope, low, high float64 // per second, with the bounds of confidence
	span             float64 // seconds
}

const (
	// confidence is the quantile of the normal distribution for 99 percent on
	// each side.
	confidence = 2.326
	// groups is how many medians of neighbours a series is reduced to: readings
	// of one second depend on each other, and confidence does not know that.
	groups = 30
)

// trendOf fits a line as Theil and Sen do: the slope is the median of the slopes
// between all pairs, which a few wild readings cannot move. Its bounds are those
// of Sen (1968), from Kendall's distribution.
func trendOf(series []reading) (t trend, ok bool) {
	points := reduce(series, groups)
	n := len(points)
	if n < 8 {
		return t, false
	}
	var slopes []float64
	for i, p := range points {
		for _, q := range points[:i] {
			if p.at > q.at {
				slopes = append(slopes, (p.value-q.value)/(p.at-q.at))
			}
		}
	}
	slices.Sort(slopes)
	spread := confidence * math.Sqrt(float64(n*(n-1)*(2*n+5))/18)
	at := func(rank float64) float64 {
		return slopes[min(max(int(math.Round(rank)), 0), len(slopes)-1)]
	}
	pairs := float64(len(slopes))
	tenth := max(1, len(series)/10)
	return trend{
		first: medianOf(series[:tenth]), last: medianOf(series[len(series)-tenth:]),
		slope: at(pairs / 2), low: at((pairs - spread) / 2), high: at((pairs + spread) / 2),
		span: series[len(series)-1].at - series[0].at,
	}, true
}

// growth is by how much the figure certainly grew over the run, if that is more
// than nothing.
func (t trend) growth() float64 { return max(0, t.low*t.span) }

// reduce returns the medians of so many groups of neighbours, or of fewer if
// there are not that many readings.
func reduce(series []reading, groups int) (points []reading) {
	n := len(series)
	groups = min(groups, n)
	for g := range groups {
		group := series[g*n/groups : (g+1)*n/groups]
		points = append(points, reading{at: (group[0].at + group[len(group)-1].at) / 2, value: medianOf(group)})
	}
	return points
}

func medianOf(group []reading) float64 {
	values := make([]float64, len(group))
	for i, r := range group {
		values[i] = r.value
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// limit is by how much a figure may certainly grow over a run of any length
// before it counts as a leak.
type limit struct {
	absolute float64
	relative float64 // of the median of the first tenth
}

func (l limit) of(t trend) float64 { return l.absolute + l.relative*t.first }
