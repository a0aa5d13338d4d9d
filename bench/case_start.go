// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/powerhose/powerhose/jobrunner"
)

const startWorkers = 2

// start is how long a program waits for its first result.
func start() *experiment {
	at := func(peer string) place {
		return place{experiment: "start", peer: peer, callers: 1, payload: echoPayload}
	}
	return &experiment{
		name: "start", title: "From jobrunner.Start to the first result, 2 workers",
		works: func(s settings) []work {
			return []work{{
				Case: "start", Service: "echo", Callers: 1, Workers: startWorkers, Payload: echoPayload,
				WarmMS: s.warmMS, LengthMS: s.lengthMS * cpuLonger,
			}}
		},
		peers:   func() []string { return []string{"powerhose-embedded", "powerhose-embedded/cxx"} },
		needs:   map[string][]string{"powerhose-embedded": {"powerhose-worker"}},
		measure: coldStarts,
		goals: []goal{
			{metric: p50, over: at("powerhose-embedded"), atMost: 100_000},
			{metric: p50, over: at("powerhose-embedded/cxx"), atMost: 60_000},
		},
		columns: []column{
			peerColumn, workerColumn,
			{"starts", func(r row) string { return short(float64(r.Jobs)) }},
			figures("p50 ms", "p50_us", 1e3), figures("p99 ms", "p99_us", 1e3),
			median("CPU ms/start", "cpu_us_per_job", 1e3), median("RSS MiB", "rss_bytes", mib), othersColumn,
		},
	}
}

// coldStarts starts and stops a runner with its workers again and again. The
// workers in Go are powerhose-worker, since this program has much else in it
// that takes its time to start.
func coldStarts(ctx context.Context, s *site, p *peer) (r measurement, err error) {
	program := "powerhose-worker"
	if p.worker == "cxx" {
		program = "cxx-worker"
	}
	cfg := jobrunner.Config{
		Workers: s.work.Workers, Command: []string{filepath.Join(s.tools, program)},
		Env: []string{"POWERHOSE_LOG_LEVEL=error"},
	}
	times := newHistogram()
	begin := time.Now().Add(time.Duration(s.work.WarmMS) * time.Millisecond)
	end := begin.Add(time.Duration(s.work.LengthMS) * time.Millisecond)
	var before usage
	for warm := true; time.Now().Before(end) || times.TotalCount() == 0; {
		if warm && time.Now().After(begin) {
			warm = false
			if before, err = usageWithChildren(); err != nil {
				return r, err
			}
		}
		took, rss, err := coldStart(ctx, cfg, s.work)
		if err != nil {
			return r, err
		}
		if !warm {
			r.RSS = max(r.RSS, rss)
			if err := times.RecordValue(int64(took)); err != nil {
				return r, err
			}
		}
	}
	after, err := usageWithChildren()
	if err != nil {
		return r, err
	}
	r.fill(times)
	return r, r.charge(before, after)
}

// coldStart is one start and one stop. It returns how long the first took, and
// the memory of all processes.
func coldStart(ctx context.Context, cfg jobrunner.Config, w work) (took time.Duration, rss int64, err error) {
	start := time.Now()
	runner, err := jobrunner.Start(cfg)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, runner.Close()) }()
	if _, err := runner.ExecuteBytes(ctx, w.Service, w.payload()); err != nil {
		return 0, 0, fmt.Errorf("the first job: %w", err)
	}
	took = time.Since(start)
	// The second worker may still be on its way.
	if err := (&hose{runner}).awaitWorkers(ctx, w.Workers); err != nil {
		return 0, 0, err
	}
	pids, err := relatives()
	if err == nil {
		rss, err = peakRSS(pids)
	}
	return took, rss, err
}

// usageWithChildren reads what this process and its children have used that
// have ended.
func usageWithChildren() (u usage, err error) {
	u.at = time.Now()
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var used unix.Rusage
		if err := unix.Getrusage(who, &used); err != nil {
			return u, err
		}
		u.cpu += time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	u.machine, err = machineTime()
	return u, err
}
