// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
)

// results are all that was measured.
type results struct {
	system  system
	options options
	// rounds are the measurements at each place, one for each round; nil where
	// it failed.
	rounds map[place][]*measurement
	// skipped and failed say why, by the peer's id.
	skipped map[string]string
	failed  map[string]string
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
	return rows, nil
}

func (r *results) row(p *peer, w work) row {
	out := row{
		Peer: p.name, Case: w.Case, Worker: p.worker, Client: p.client,
		Callers: w.Callers, Workers: w.Workers, Payload: w.Payload,
		Skipped: r.skipped[p.id()], Failed: r.failed[p.id()],
		Machine: r.system.machine, Versions: r.system.versions,
	}
	if p.oneWorker {
		out.Workers = 1
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
		values := make([]float64, len(all))
		for i, m := range all {
			values[i] = f.of(m)
		}
		s := spreadOf(values)
		*f.to = thousandth(s.median)
		if s.most > 0 {
			out.Spread[f.key] = [2]float64{thousandth(s.least), thousandth(s.most)}
		}
	}
	return out
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
		if err := x.plots(r, dir); err != nil {
			return err
		}
	}
	return nil
}
