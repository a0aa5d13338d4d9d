// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"
)

const (
	// growthRate is how many jobs a second the sleeping workers do together,
	// however many they are: then only their number differs.
	growthRate = 2000
	// perRunner is how many callers each runner has where runners grow.
	perRunner = 16
	// waitingJobs of waitingPayload octets wait in the master to be weighed.
	waitingJobs    = 10_000
	waitingPayload = 1000
	waitingPoint   = "10000 waiting jobs"
)

// growthPoints come in pairs, few and many of something.
var growthPoints = []work{
	{Point: "2 workers", Workers: 2, Callers: 4, Services: 1, Runners: 1},
	{Point: "1000 workers", Workers: 1000, Callers: 2000, Services: 1, Runners: 1},
	{Point: "10 callers", Workers: 2, Callers: 10, Services: 1, Runners: 1},
	{Point: "10000 callers", Workers: 2, Callers: 10_000, Services: 1, Runners: 1},
	{Point: "1 service", Workers: 2, Callers: 128, Services: 1, Runners: 1},
	{Point: "100 services", Workers: 2, Callers: 128, Services: 100, Runners: 1},
	{Point: "1 runner", Workers: 2, Callers: perRunner, Services: 1, Runners: 1},
	{Point: "64 runners", Workers: 2, Callers: 64 * perRunner, Services: 1, Runners: 64},
	{Point: waitingPoint, Workers: 2, Callers: 1, Services: 1, Runners: 1},
}

// growthPeer is the only one: a master that is a process of its own, since its
// processor time and memory are what may grow.
const growthPeer = "powerhose-master"

// growth is what many of something cost.
func growth() *experiment {
	x := &experiment{
		name: "growth", title: "Few and many: workers, callers, services, runners",
		works: func(s settings) []work {
			works := slices.Clone(growthPoints)
			for i := range works {
				w := &works[i]
				w.Case, w.Service, w.Payload, w.WarmMS, w.LengthMS = "growth", "echo", echoPayload, s.warmMS, s.lengthMS
				switch {
				case w.Point == waitingPoint:
					w.Payload = waitingPayload
				case i < 2:
					w.Service, w.Text = "sleep", fmt.Sprintf("%06d", w.Workers*1_000_000/growthRate)
					w.Payload = len(w.Text)
					w.WarmMS += 500 // some jobs take as long
					w.LengthMS *= 2
				}
			}
			return works
		},
		peers:   func() []string { return []string{growthPeer} },
		measure: grow,
		columns: []column{
			pointColumn("with"), figures("jobs/s", "jobs_per_s", 1), figures("CPU µs/job", "cpu_us_per_job", 1),
			figures("of it the master's", "master_cpu_us_per_job", 1), figures("p50 µs", "p50_us", 1), figures("p99 µs", "p99_us", 1),
			median("master's RSS MiB", "master_rss_bytes", mib), median("KiB a worker", "bytes_per_worker", 1<<10),
			median("KiB a runner", "bytes_per_runner", 1<<10), median("KiB a waiting job", "bytes_per_waiting_job", 1<<10), othersColumn,
		},
	}
	works := x.works(quick)
	for few := 0; few+1 < len(works); few += 2 {
		for _, m := range []metric{processorTime, "master_cpu_us_per_job"} {
			x.goals = append(x.goals, goal{
				metric: m, atMost: 1.5,
				over: works[few+1].place(growthPeer), under: works[few].place(growthPeer),
			})
		}
	}
	many := func(point string) place {
		i := slices.IndexFunc(works, func(w work) bool { return w.Point == point })
		return works[i].place(growthPeer)
	}
	x.goals = append(x.goals,
		goal{metric: "bytes_per_worker", over: many("1000 workers"), atMost: 64 << 10},
		goal{metric: "bytes_per_runner", over: many("64 runners"), atMost: 64 << 10},
		goal{metric: "bytes_per_waiting_job", over: many(waitingPoint), atMost: waitingPayload + 2<<10})
	return x
}

// grow measures one point.
func grow(ctx context.Context, s *site, _ *peer) (r measurement, err error) {
	if err := raiseLimits(); err != nil {
		return r, err
	}
	c, err := s.gather(ctx)
	if err != nil {
		return r, err
	}
	defer c.close()
	if s.work.Point == waitingPoint {
		r, err = c.waiting(ctx, s.work)
	} else {
		r, err = c.busy(ctx, s.work)
	}
	if err != nil {
		return r, err
	}
	if r.More == nil {
		r.More = map[string]float64{}
	}
	for key, octets := range c.weights {
		r.More[key] = octets
	}
	return r, nil
}

// busy has the callers submit jobs.
func (c *crowd) busy(ctx context.Context, w work) (r measurement, err error) {
	if err := hello(ctx, c, w); err != nil {
		return r, err
	}
	return closedLoopNoting(ctx, c, w, func(r *measurement, before, after usage) {
		used := usedBy(c.master, before, after)
		r.More = map[string]float64{"master_cpu_us_per_job": float64(used.Nanoseconds()) / 1e3 / float64(r.Jobs)}
	})
}

// waiting has jobs wait in the master while it is weighed.
func (c *crowd) waiting(ctx context.Context, w work) (r measurement, err error) {
	before, err := usageNow()
	if err != nil {
		return r, err
	}
	jobs, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan time.Duration, waitingJobs)
	submit := func(service string, payload []byte) {
		begin := time.Now()
		// It is cancelled in the end.
		_, _ = c.runners[0].ExecuteBytes(jobs, service, payload)
		ended <- time.Since(begin)
	}
	const long = "60000000" // microseconds
	for range w.Workers {
		go submit("sleep", []byte(long))
	}
	if err := c.await(ctx, func(jobs jobCounts) bool { return jobs.running == w.Workers }); err != nil {
		return r, err
	}
	empty, err := currentRSS(c.master)
	if err != nil {
		return r, err
	}
	for range waitingJobs {
		go submit("sleep", makePayload(w.Payload))
	}
	if err := c.await(ctx, func(jobs jobCounts) bool { return jobs.waiting == waitingJobs }); err != nil {
		return r, err
	}
	full, err := currentRSS(c.master)
	if err != nil {
		return r, err
	}
	c.weights["bytes_per_waiting_job"] = float64(full-empty) / waitingJobs
	c.weights["master_rss_bytes"] = float64(full)
	cancel()
	times := newHistogram()
	for range waitingJobs + w.Workers {
		if err := times.RecordValue(int64(<-ended)); err != nil {
			return r, err
		}
	}
	after, err := usageOf(before.pids)
	if err != nil {
		return r, err
	}
	if r.RSS, err = peakRSS(before.pids); err != nil {
		return r, err
	}
	r.fill(times)
	return r, r.charge(before, after)
}

// serviceNames are as many services as the point has.
func serviceNames(w work) []string {
	if w.Services <= 1 {
		return []string{w.Service}
	}
	names := make([]string, w.Services)
	for i := range names {
		names[i] = "echo" + strconv.Itoa(i)
	}
	return names
}
