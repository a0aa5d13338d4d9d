// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// results are all that was measured.
type results struct {
	system  system
	options options
	// rounds are the measurements at each place, one for each round; nil where
	// it failed.
	rounds map[place][]*measurement
	// skipped and failed say why.
	skipped map[failure]string
	failed  map[failure]string
}

// failure is where something is missing or failed.
type failure struct {
	peer       string // its id
	experiment string // the case; empty: all
}

// why looks up what happened to a peer in a case; empty: nothing.
func why(reasons map[failure]string, peer, experiment string) string {
	if reason := reasons[failure{peer, ""}]; reason != "" {
		return reason
	}
	return reasons[failure{peer, experiment}]
}

// row is one line of results.json: one peer at one point of a case. The figures
// are medians over the rounds.
type row struct {
	Peer    string `json:"peer"`
	Case    string `json:"case"`
	Worker  string `json:"worker"` // go or cxx
	Client  string `json:"client"` // what the callers are written in
	Callers int    `json:"callers"`
	Workers int    `json:"workers"`
	Payload int    `json:"payload"` // octets
	Point   string `json:"point,omitempty"`

	// Skipped and Failed say why there are no figures.
	Skipped string `json:"skipped,omitempty"`
	Failed  string `json:"failed,omitempty"`

	JobsPerS float64 `json:"jobs_per_s,omitempty"`
	P50      float64 `json:"p50_us,omitempty"`
	P99      float64 `json:"p99_us,omitempty"`
	P999     float64 `json:"p999_us,omitempty"`
	CPU      float64 `json:"cpu_us_per_job,omitempty"`
	RSS      float64 `json:"rss_bytes,omitempty"`
	// Foreign is how many processors others used meanwhile: noise.
	Foreign float64 `json:"foreign_cpu"`

	// Allocs and Cgo are objects allocated and calls into C in the caller's
	// process, if that is in Go.
	Allocs float64 `json:"client_allocs_per_job,omitempty"`
	Cgo    float64 `json:"client_cgo_per_job,omitempty"`

	// Spread holds the least and the most of each figure, by its key.
	Spread map[string][2]float64 `json:"spread,omitempty"`
	Rounds int                   `json:"rounds"`
	Jobs   int64                 `json:"jobs"` // of all rounds

	Machine  string            `json:"machine"`
	Versions map[string]string `json:"versions"`

	// More are the figures that the case adds. They stand among the others.
	More map[string]float64 `json:"-"`
	// beside says that another row of the case has its figures, and so the table
	// does without it.
	beside bool
}

// MarshalJSON implements json.Marshaler.
func (r row) MarshalJSON() ([]byte, error) {
	type plain row
	text, err := json.Marshal(plain(r))
	if err != nil || len(r.More) == 0 {
		return text, err
	}
	more, err := json.Marshal(r.More)
	if err != nil {
		return nil, err
	}
	return append(append(text[:len(text)-1], ','), more[1:]...), nil
}

// rows returns a row for each place of a case.
func (r *results) rows(x *experiment) (rows []row, err error) {
	for _, w := range r.options.works(x) {
		for _, id := range x.peers() {
			p, err := peerByID(id)
			if err != nil {
				return nil, err
			}
			if r.options.wants(p) {
				rows = append(rows, r.row(p, w))
			}
		}
	}
	if x.finish != nil {
		x.finish(r, rows)
	}
	return rows, nil
}

// is says whether the row is of that peer.
func (r row) is(p *peer) bool {
	return r.Peer == p.name && r.Worker == p.worker && r.Client == p.client
}

func (r *results) row(p *peer, w work) row {
	out := row{
		Peer: p.name, Case: w.Case, Worker: p.worker, Client: p.client,
		Callers: w.Callers, Workers: w.Workers, Payload: w.Payload, Point: w.Point,
		Skipped: why(r.skipped, p.id(), w.Case), Failed: why(r.failed, p.id(), w.Case),
		Machine: r.system.machine, Versions: r.system.versions,
	}
	if p.oneWorker {
		out.Workers = 1
	}
	if p.looped {
		out.Callers, out.Workers = 1, 0
	}
	var all []measurement
	for _, m := range r.rounds[w.place(p.id())] {
		if m != nil {
			all = append(all, *m)
			out.Jobs += m.Jobs
		}
	}
	out.Rounds = len(all)
	if len(all) == 0 {
		return out
	}
	out.Spread = map[string][2]float64{}
	note := func(key string, of func(m measurement) float64) float64 {
		values := make([]float64, len(all))
		for i, m := range all {
			values[i] = of(m)
		}
		s := spreadOf(values)
		if s.most > 0 {
			out.Spread[key] = [2]float64{thousandth(s.least), thousandth(s.most)}
		}
		return thousandth(s.median)
	}
	for _, f := range []struct {
		key string
		to  *float64
		of  func(m measurement) float64
	}{
		{"jobs_per_s", &out.JobsPerS, measurement.rate},
		{"p50_us", &out.P50, func(m measurement) float64 { return m.P50 }},
		{"p99_us", &out.P99, func(m measurement) float64 { return m.P99 }},
		{"p999_us", &out.P999, func(m measurement) float64 { return m.P999 }},
		{"cpu_us_per_job", &out.CPU, func(m measurement) float64 { return m.CPU }},
		{"rss_bytes", &out.RSS, func(m measurement) float64 { return float64(m.RSS) }},
		{"foreign_cpu", &out.Foreign, func(m measurement) float64 { return m.Foreign }},
		{"client_allocs_per_job", &out.Allocs, func(m measurement) float64 { return m.Allocs }},
		{"client_cgo_per_job", &out.Cgo, func(m measurement) float64 { return m.Cgo }},
	} {
		*f.to = note(f.key, f.of)
	}
	for key := range all[0].More {
		if out.More == nil {
			out.More = map[string]float64{}
		}
		out.More[key] = note(key, func(m measurement) float64 { return m.More[key] })
	}
	return out
}

// times merges a histogram of all rounds at a place.
func (r *results) times(at place, name string) (*hdrhistogram.Histogram, error) {
	all := newHistogram()
	for _, m := range r.rounds[at] {
		if m == nil || m.Times[name] == nil {
			continue
		}
		times, err := hdrhistogram.Decode(m.Times[name])
		if err != nil {
			return nil, fmt.Errorf("histogram %s of %s: %w", name, at.peer, err)
		}
		all.Merge(times)
	}
	return all, nil
}

// thousandth drops digits that mean nothing.
func thousandth(x float64) float64 { return math.Round(x*1000) / 1000 }

// write writes results.json, results.md and the plots.
func (r *results) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	all := []row{}
	for _, x := range r.options.experiments() {
		rows, err := r.rows(x)
		if err != nil {
			return err
		}
		all = append(all, rows...)
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "results.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	table, err := r.markdown()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "results.md"), []byte(table), 0o644); err != nil {
		return err
	}
	for _, x := range r.options.experiments() {
		if x.plots == nil {
			continue
		}
		if err := x.plots(r, dir); err != nil {
			return err
		}
	}
	return nil
}
