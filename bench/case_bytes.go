// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
)

var (
	octetsPeers   = []string{"raw-direct", "powerhose-embedded", "powerhose-embedded/cxx", "powerhose-master", "grpc"}
	octetsSizes   = []int{1 << 10, 64 << 10, 1 << 20, 16 << 20}
	octetsCallers = []int{1, 8}
)

// octets is the case bytes: what a job costs that brings much and takes as much
// away.
func octets() *experiment {
	x := &experiment{
		name: "bytes", title: "Echo of large payloads, 2 workers, closed loop",
		works: func(s settings) (works []work) {
			for _, size := range octetsSizes {
				length := s.lengthMS
				if size > mib {
					length *= 2
				}
				for _, callers := range octetsCallers {
					works = append(works, work{
						Case: "bytes", Service: "echo", Callers: callers, Workers: echoWorkers, Payload: size, Point: sizeOf(size),
						WarmMS: s.warmMS, LengthMS: length,
					})
				}
			}
			return works
		},
		peers: func() []string { return octetsPeers },
		measure: func(ctx context.Context, s *site, p *peer) (measurement, error) {
			r, err := p.measure(ctx, s)
			r.More = map[string]float64{"bytes_per_s": r.rate() * float64(s.work.Payload)}
			return r, err
		},
		columns: []column{
			pointColumn("payload"),
			callersColumn, peerColumn, workerColumn,
			figures("MiB/s each way", "bytes_per_s", mib), figures("jobs/s", "jobs_per_s", 1),
			figures("p50 µs", "p50_us", 1), median("p99 µs", "p99_us", 1), median("CPU µs/job", "cpu_us_per_job", 1),
			median("RSS MiB", "rss_bytes", mib), othersColumn,
		},
		plots: plotOctets,
	}
	at := func(peer string, callers, size int) place {
		return place{experiment: "bytes", peer: peer, callers: callers, payload: size, point: sizeOf(size)}
	}
	for _, ours := range []string{"powerhose-embedded", "powerhose-embedded/cxx"} {
		for _, callers := range octetsCallers {
			x.goals = append(x.goals, goal{
				metric: "bytes_per_s", atLeast: 0.6,
				over: at(ours, callers, mib), under: at("raw-direct", callers, mib),
			})
			for _, size := range octetsSizes {
				x.goals = append(x.goals, goal{
					metric: "bytes_per_s", atLeast: 1,
					over: at(ours, callers, size), under: at("grpc", callers, size),
				})
			}
		}
	}
	return x
}

// plotOctets draws bytes per second over the size of the payload.
func plotOctets(r *results, dir string) error {
	x := octets()
	rows, err := r.rows(x)
	if err != nil {
		return err
	}
	for _, callers := range octetsCallers {
		var lines []line
		for _, id := range octetsPeers {
			p, err := peerByID(id)
			if err != nil {
				return err
			}
			l := line{name: id, ours: p.ours}
			for _, row := range rows {
				if row.is(p) && row.Callers == callers && row.Rounds > 0 {
					l.points = append(l.points, plotter.XY{X: float64(row.Payload) / 1024, Y: row.median("bytes_per_s") / mib})
				}
			}
			if len(l.points) > 0 {
				lines = append(lines, l)
			}
		}
		if len(lines) == 0 {
			continue
		}
		name := "1-caller"
		if callers > 1 {
			name = "8-callers"
		}
		picture := newPlot("Echo of large payloads, 2 workers, "+count(callers, "caller"), "payload in KiB", "MiB/s each way")
		picture.Y.Scale, picture.Y.Tick.Marker = plot.LogScale{}, decades{}
		picture.X.Scale, picture.X.Tick.Marker = plot.LogScale{}, powers{most: 16 << 10}
		picture.Legend.Top = false
		if err := addLines(picture, lines); err != nil {
			return err
		}
		if err := save(picture, filepath.Join(dir, "bytes-"+name)); err != nil {
			return err
		}
	}
	return nil
}
