// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

type report struct {
	options
	machine, load string
	when          time.Time
	series        []series
}

// Targets.
const (
	wantGoodput = 0.95 // of capacity, wherever that much is offered
	wantRefusal = 5.0  // ms, 99th percentile
)

func (r *report) markdown() string {
	var b strings.Builder
	limit := time.Duration(float64(r.job) * r.deadline)
	fmt.Fprintf(&b, "%s, load average %s before, %s.\n", r.machine, r.load, r.when.Format("2006-01-02 15:04 UTC"))
	fmt.Fprintf(&b, "Jobs of %v with a deadline of %v, %v for each load. Medians of %d rounds; of times and memory the worst.\n",
		r.job, limit, r.length, r.rounds)
	for _, s := range r.series {
		fmt.Fprintf(&b, "\n### %s\n\n", s.Title)
		fmt.Fprintf(&b, "%d workers; capacity measured with %d callers: %.1f jobs/s (%.0f without any overhead). Others used %.2f CPUs.\n\n",
			s.Workers, 2*s.Workers, s.Capacity, s.Nominal, s.Foreign)
		b.WriteString("| offered | done in time | refused | given up waiting | expired running | refusal p50 ms | p99 ms | last outcome after deadline ms | RSS MiB | one job after ms | recovery ms |\n")
		b.WriteString("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
		for _, load := range r.loads {
			ps := s.at(load)
			share := func(of func(point) float64) string { return fmt.Sprintf("%.3f", median(ps, of)/s.Capacity) }
			worst := func(of func(point) float64) string { return fmt.Sprintf("%.2f", most(ps, of)) }
			fmt.Fprintf(&b, "| %v× | %s | %s | %s | %s | %s | %s | %s | %.1f | %s | %s |\n", load,
				share(func(p point) float64 { return p.Goodput }), share(func(p point) float64 { return p.Refused }),
				share(func(p point) float64 { return p.Waited }), share(func(p point) float64 { return p.Ran }),
				worst(func(p point) float64 { return p.RefusedP50 }), worst(func(p point) float64 { return p.RefusedP99 }),
				worst(func(p point) float64 { return p.Late }),
				most(ps, func(p point) float64 { return float64(p.RSSMost) / (1 << 20) }),
				worst(func(p point) float64 { return p.Single }), recovery(ps))
		}
		fmt.Fprintf(&b, "\nThe master's process: %.1f MiB before the first flood, %.1f MiB after the last.\n",
			float64(s.RSSFirst)/(1<<20), float64(s.RSSLast)/(1<<20))
	}
	b.WriteString("\n### Against the targets\n\n")
	r.verdicts(&b, limit)
	return b.String()
}

func recovery(ps []point) string {
	if slices.ContainsFunc(ps, func(p point) bool { return p.Recovery < 0 }) {
		return "never"
	}
	return fmt.Sprintf("%.0f", most(ps, func(p point) float64 { return p.Recovery }))
}

// verdicts compares with what was promised.
func (r *report) verdicts(b *strings.Builder, limit time.Duration) {
	b.WriteString("| setup | least share of capacity done at 1× and above | refusal p99 ms | memory at the highest load beside that at 1× | longest recovery ms | others |\n")
	b.WriteString("|---|--:|--:|--:|--:|--:|\n")
	fmt.Fprintf(b, "| wanted | ≥ %.2f | < %.0f | the same | < %d | 0 |\n", wantGoodput, wantRefusal, limit.Milliseconds())
	for _, s := range r.series {
		least, p99, others := 1e9, 0.0, 0
		for _, load := range r.loads {
			ps := s.at(load)
			if load >= 1 {
				least = min(least, median(ps, func(p point) float64 { return p.Goodput })/s.Capacity)
			}
			p99 = max(p99, most(ps, func(p point) float64 { return p.RefusedP99 }))
			for _, p := range ps {
				others += p.Other
			}
		}
		rss := func(load float64) float64 {
			return most(s.at(load), func(p point) float64 { return float64(p.RSSMost) })
		}
		growth := "–"
		if one := rss(1); one > 0 {
			growth = fmt.Sprintf("%+.1f MiB", (rss(r.loads[len(r.loads)-1])-one)/(1<<20))
		}
		fmt.Fprintf(b, "| %s | %.3f | %.2f | %s | %s | %d |\n", s.Title, least, p99, growth, recovery(s.Points), others)
	}
}

func (s series) at(load float64) (ps []point) {
	for _, p := range s.Points {
		if p.Load == load {
			ps = append(ps, p)
		}
	}
	return ps
}

func median(ps []point, of func(point) float64) float64 {
	values := values(ps, of)
	if len(values) == 0 {
		return 0
	}
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

func most(ps []point, of func(point) float64) float64 {
	values := values(ps, of)
	if len(values) == 0 {
		return 0
	}
	return values[len(values)-1]
}

// values are sorted.
func values(ps []point, of func(point) float64) []float64 {
	values := make([]float64, len(ps))
	for i, p := range ps {
		values[i] = of(p)
	}
	slices.Sort(values)
	return values
}

// write writes overload.md and overload.json, and the plot.
func (r *report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(map[string]any{
		"machine": r.machine, "when": r.when, "job_ms": r.job.Milliseconds(), "deadline_jobs": r.deadline,
		"series": r.series,
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "overload.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "overload.md"), []byte(r.markdown()), 0o644); err != nil {
		return err
	}
	images := cmp.Or(r.images, dir)
	if err := os.MkdirAll(images, 0o755); err != nil {
		return err
	}
	return r.plot(filepath.Join(images, "goodput"))
}

// plot draws goodput against offered load, both in capacities.
func (r *report) plot(path string) error {
	p := plot.New()
	p.Title.Text = fmt.Sprintf("Jobs of %v with a deadline of %v job times", r.job, r.deadline)
	p.X.Label.Text, p.Y.Label.Text = "offered, of capacity", "done in time, of capacity"
	p.Title.Padding, p.Legend.Padding, p.Legend.ThumbnailWidth = vg.Points(8), vg.Points(2), vg.Points(24)
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, loads(r.loads)
	p.Y.Min, p.Y.Max = 0, 1.2
	p.Add(plotter.NewGrid())
	ideal, err := plotter.NewLine(r.ideal())
	if err != nil {
		return err
	}
	ideal.Color, ideal.Dashes, ideal.Width = plotutil.Color(6), plotutil.Dashes(1), vg.Points(1.2)
	p.Add(ideal)
	p.Legend.Add("ideal", ideal)
	for i, s := range r.series {
		var points plotter.XYs
		for _, load := range r.loads {
			points = append(points, plotter.XY{X: load, Y: median(s.at(load), func(p point) float64 { return p.Goodput }) / s.Capacity})
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return err
		}
		line.Color, dots.Color, dots.Shape = plotutil.Color(i), plotutil.Color(i), plotutil.Shape(i)
		line.Width = vg.Points(2)
		p.Add(line, dots)
		p.Legend.Add(s.Title, line, dots)
	}
	for _, kind := range []string{".png", ".svg"} {
		if err := p.Save(22*vg.Centimeter, 13*vg.Centimeter, path+kind); err != nil {
			return err
		}
	}
	return nil
}

// ideal is what a master without any overhead could have done.
func (r *report) ideal() plotter.XYs {
	xs := append(slices.Clone(r.loads), 1)
	slices.Sort(xs)
	var points plotter.XYs
	for _, x := range xs {
		points = append(points, plotter.XY{X: x, Y: min(x, 1)})
	}
	return points
}

// loads marks the loads on an axis.
type loads []float64

// Ticks implements plot.Ticker.
func (l loads) Ticks(_, _ float64) (ticks []plot.Tick) {
	for _, x := range l {
		ticks = append(ticks, plot.Tick{Value: x, Label: strconv.FormatFloat(x, 'f', -1, 64) + "×"})
	}
	return ticks
}
