// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"path/filepath"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

const (
	plotWidth  = 22 * vg.Centimeter
	plotHeight = 13 * vg.Centimeter
)

// plotEcho draws jobs/s, latency and processor time over the number of callers.
func plotEcho(r *results, dir string) error {
	for _, p := range []struct {
		file, title, unit string
		of                func(row) float64
	}{
		{"echo-jobs", "Echo of 100 bytes, 2 workers: jobs per second", "jobs/s", func(r row) float64 { return r.JobsPerS }},
		{"echo-p50", "Echo of 100 bytes, 2 workers: median latency", "µs", func(r row) float64 { return r.P50 }},
		{"echo-p99", "Echo of 100 bytes, 2 workers: 99th percentile of latency", "µs", func(r row) float64 { return r.P99 }},
		{"echo-cpu", "Echo of 100 bytes, 2 workers: processor time of all processes per job", "µs", func(r row) float64 { return r.CPU }},
	} {
		lines, err := r.byCallers(echo(), p.of)
		if err != nil {
			return err
		}
		picture := newPlot(p.title, "callers", p.unit)
		picture.Y.Scale, picture.Y.Tick.Marker = plot.LogScale{}, decades{}
		picture.X.Scale, picture.X.Tick.Marker = plot.LogScale{}, powers{most: 1024}
		if err := addLines(picture, lines); err != nil {
			return err
		}
		picture.X.Max *= 10 // room for the legend
		if err := save(picture, filepath.Join(dir, p.file)); err != nil {
			return err
		}
	}
	return nil
}

// line is a named series of points.
type line struct {
	name   string
	ours   bool
	points plotter.XYs
}

// byCallers returns a line for each peer that was measured.
func (r *results) byCallers(x *experiment, of func(row) float64) (lines []line, err error) {
	rows, err := r.rows(x)
	if err != nil {
		return nil, err
	}
	for _, id := range x.peers() {
		p, err := peerByID(id)
		if err != nil {
			return nil, err
		}
		l := line{name: id, ours: p.ours}
		for _, row := range rows {
			if row.is(p) && row.Rounds > 0 {
				l.points = append(l.points, plotter.XY{X: float64(row.Callers), Y: of(row)})
			}
		}
		if len(l.points) > 0 {
			lines = append(lines, l)
		}
	}
	return lines, nil
}

func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.Padding = vg.Points(8)
	p.Legend.Top, p.Legend.Padding = true, vg.Points(2)
	p.Legend.ThumbnailWidth = vg.Points(24)
	return p
}

func addLines(p *plot.Plot, lines []line) error {
	p.Add(plotter.NewGrid())
	for i, l := range lines {
		drawn, points, err := plotter.NewLinePoints(l.points)
		if err != nil {
			return fmt.Errorf("plot %s: %w", l.name, err)
		}
		drawn.Color, points.Color = plotutil.Color(i), plotutil.Color(i)
		drawn.Width, drawn.Dashes = vg.Points(1.2), plotutil.Dashes(i/len(plotutil.DefaultColors))
		if l.ours {
			drawn.Width = vg.Points(2.6)
		}
		points.Shape = plotutil.Shape(i)
		p.Add(drawn, points)
		p.Legend.Add(l.name, drawn, points)
	}
	return nil
}

// addCurves draws lines of so many points that none is marked.
func addCurves(p *plot.Plot, lines []line) error {
	p.Add(plotter.NewGrid())
	for i, l := range lines {
		drawn, err := plotter.NewLine(l.points)
		if err != nil {
			return fmt.Errorf("plot %s: %w", l.name, err)
		}
		drawn.Color, drawn.Width = plotutil.Color(i), vg.Points(1.4)
		if l.ours {
			drawn.Width = vg.Points(2.6)
		}
		p.Add(drawn)
		p.Legend.Add(l.name, drawn)
	}
	return nil
}

// save writes a picture as PNG and as SVG.
func save(p *plot.Plot, path string) error {
	for _, kind := range []string{".png", ".svg"} {
		if err := p.Save(plotWidth, plotHeight, path+kind); err != nil {
			return fmt.Errorf("plot %s: %w", filepath.Base(path), err)
		}
	}
	return nil
}

// powers marks the powers of two on an axis, every second one.
type powers struct{ most float64 }

// Ticks implements plot.Ticker.
func (p powers) Ticks(least, most float64) (ticks []plot.Tick) {
	for x := 1.0; x <= min(most, p.most); x *= 4 {
		if x >= least {
			ticks = append(ticks, plot.Tick{Value: x, Label: strconv.Itoa(int(x))})
		}
	}
	return ticks
}

// decades marks 1, 2 and 5 of each power of ten on an axis.
type decades struct{}

// Ticks implements plot.Ticker.
func (decades) Ticks(least, most float64) (ticks []plot.Tick) {
	for decade := math.Pow(10, math.Floor(math.Log10(least))); decade <= most; decade *= 10 {
		for _, step := range []float64{1, 2, 5} {
			if x := decade * step; x >= least && x <= most {
				ticks = append(ticks, plot.Tick{Value: x, Label: short(x)})
			}
		}
	}
	return ticks
}
