// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/powerhose/powerhose/bench/internal/rig"
)

// series are all readings of one figure of one process.
type series struct {
	process, figure string
	limit           limit
	readings        []reading
}

// Figures, and by how much each may certainly grow over a run.
const (
	memory      = "RSS MiB"
	heap        = "live heap MiB"
	descriptors = "descriptors"
	threads     = "threads"
	goroutines  = "goroutines"
	median      = "latency p50 µs"
	tail        = "latency p99 µs"
)

const mib = 1 << 20

var limits = map[string]limit{
	memory:      {absolute: 1, relative: 0.02},
	heap:        {absolute: 0.5},
	descriptors: {absolute: 2},
	threads:     {absolute: 2},
	goroutines:  {absolute: 2},
	median:      {absolute: 50, relative: 0.25},
	tail:        {absolute: 1000, relative: 0.5},
}

// sample takes readings each second until ctx ends.
func (h *house) sample(ctx context.Context) error {
	began := time.Now()
	every := min(time.Second, h.time/40)
	for pause(ctx, every) {
		at := time.Since(began).Seconds()
		for _, p := range h.measured {
			if err := h.look(p, at); err != nil {
				if ctx.Err() != nil {
					return nil // it ends anyway
				}
				return err
			}
		}
		if lap := max(1, int(h.time/every)/6); len(h.series[0].readings)%lap == 0 {
			fmt.Fprintf(h.log, "%4.0f s: %d jobs\n", at, h.last.Jobs)
		}
	}
	return nil
}

// look takes the readings of one process.
func (h *house) look(p *rig.Process, at float64) error {
	note := func(figure string, value float64) { h.note(p.Name, figure, reading{at, value}) }
	var errs []error
	for _, f := range []struct {
		figure string
		unit   float64
		of     func(pid int) (int64, error)
	}{{memory, mib, rig.RSS}, {descriptors, 1, rig.Descriptors}, {threads, 1, rig.Threads}} {
		n, err := f.of(p.PID())
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.Name, err))
			continue
		}
		note(f.figure, float64(n)/f.unit)
	}
	if p.Name == "worker in C++" || len(errs) > 0 {
		return errors.Join(errs...)
	}
	var a answer
	if err := p.Ask(&a); err != nil {
		return err
	}
	note(goroutines, float64(a.Goroutines))
	note(heap, float64(a.Heap)/mib)
	if p.Name == "runner" {
		note(median, a.P50)
		note(tail, a.P99)
		h.last = a
	}
	return nil
}

func (h *house) note(process, figure string, r reading) {
	for _, s := range h.series {
		if s.process == process && s.figure == figure {
			s.readings = append(s.readings, r)
			return
		}
	}
	h.series = append(h.series, &series{process: process, figure: figure, limit: limits[figure], readings: []reading{r}})
}

// warm is the part of a run in which caches fill, heaps find their size and
// nothing is judged.
const warm = 0.25

// judge returns a series' trend after the warm-up, by how much it certainly grew,
// and whether that is all right. What leaks grows in the later half as it does
// over the whole: an allocator that takes a page more once and for all does not.
func (s *series) judge() (t trend, growth float64, fine, ok bool) {
	settled := s.readings[int(warm*float64(len(s.readings))):]
	t, ok = trendOf(settled)
	later, enough := trendOf(settled[len(settled)/2:])
	if !ok || !enough {
		return t, 0, false, false
	}
	growth = min(t.growth(), later.growth()*t.span/later.span)
	return t, growth, growth <= s.limit.of(t), true
}

// report is soak.md. The error tells what leaks, and what went wrong.
func (h *house) report(took time.Duration) (string, error) {
	var b strings.Builder
	var errs []error
	l := h.last
	fmt.Fprintf(&b, "%s, load average %s before; others used %.2f CPUs. Seed %d.\n\n", rig.Machine(), h.load, h.foreign, h.seed)
	fmt.Fprintf(&b, "%d jobs in %v: %d done, %d failed as they had to, %d lost with their worker, %d timed out, %d busy, %d cancelled, %d wrong",
		l.Jobs, took.Round(time.Second), l.OK, l.JobError, l.Lost, l.TimedOut, l.Busy, l.Cancelled, l.Wrong)
	fmt.Fprintf(&b, " (%d not submitted, since all %d callers waited). %d workers killed, %d drained, %d stopped for a while; %d runners came and went. The runner did not get a processor for up to %v, the process that looks for up to %v.\n\n",
		l.Behind, callers, h.faults.killed, h.faults.drained, h.faults.stopped, l.Runners, l.Gap.Round(time.Millisecond), h.gaps.longest().Round(time.Millisecond))
	if l.Wrong > 0 {
		errs = append(errs, fmt.Errorf("%d promises broken; the first: %s", l.Wrong, l.WrongText))
	}
	fmt.Fprintf(&b, "| process | figure | first tenth | last tenth | slope per hour, with 98 %% confidence | certain growth | allowed | |\n")
	b.WriteString("|---|---|--:|--:|--:|--:|--:|---|\n")
	for _, s := range h.series {
		t, growth, fine, ok := s.judge()
		if !ok {
			errs = append(errs, fmt.Errorf("%s, %s: too few readings to tell anything", s.process, s.figure))
			continue
		}
		verdict := "flat"
		if !fine {
			verdict = "**grows**"
			errs = append(errs, fmt.Errorf("%s: %s grows: by %.3g in %.0f s, where %.3g are allowed", s.process, s.figure,
				growth, t.span, s.limit.of(t)))
		}
		const hour = 3600
		fmt.Fprintf(&b, "| %s | %s | %.4g | %.4g | %+.3g (%+.3g to %+.3g) | %.3g | %.3g | %s |\n", s.process, s.figure,
			t.first, t.last, t.slope*hour, t.low*hour, t.high*hour, growth, s.limit.of(t), verdict)
	}
	return b.String(), errors.Join(errs...)
}
