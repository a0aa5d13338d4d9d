// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	cpuCallers = 16 // enough that a job waits wherever a worker gets free
	cpuWorkers = 2
	cpuLonger  = 2
)

// cpu is what is lost of the processors when jobs are computed elsewhere.
func cpu() *experiment {
	ours := []string{"powerhose-embedded", "powerhose-embedded/cxx", "powerhose-master", "powerhose-master/cxx"}
	points := []struct {
		name    string
		burn    time.Duration
		atLeast float64
	}{{"1 ms", time.Millisecond, 0.95}, {"10 ms", 10 * time.Millisecond, 0.99}}
	x := &experiment{
		name: "cpu", title: "Jobs that compute, 16 callers, 2 workers",
		works: func(s settings) (works []work) {
			for _, p := range points {
				text := burnFor(p.burn)
				works = append(works, work{
					Case: "cpu", Service: "burn", Callers: cpuCallers, Workers: cpuWorkers, Point: p.name,
					Payload: len(text), Text: text, WarmMS: s.warmMS, LengthMS: s.lengthMS * cpuLonger,
				})
			}
			return works
		},
		peers: func() []string { return append([]string{"pool"}, ours...) },
		columns: []column{
			pointColumn("a job's work"), peerColumn, workerColumn, figures("jobs/s", "jobs_per_s", 1),
			figures("p50 ms", "p50_us", 1e3), figures("p99 ms", "p99_us", 1e3),
			figures("CPU ms/job", "cpu_us_per_job", 1e3), othersColumn,
		},
	}
	for _, p := range points {
		for _, id := range ours {
			at := place{experiment: "cpu", peer: id, callers: cpuCallers, payload: burnDigits, point: p.name}
			beside := at
			beside.peer = "pool"
			x.goals = append(x.goals, goal{metric: rate, over: at, under: beside, atLeast: p.atLeast})
		}
	}
	return x
}

// burnDigits is how long the payload for burn is.
const burnDigits = 12

// burnFor returns the payload for burn that takes that much processor time on
// this machine.
func burnFor(d time.Duration) string {
	return fmt.Sprintf("%0*d", burnDigits, int64(d.Seconds()*stepsPerSecond()))
}

var stepsPerSecond = sync.OnceValue(func() float64 {
	const steps = 2_000_000
	return steps / leastTime(func() { ashes.Store(xorshift(steps)) }).Seconds()
})

// ashes keep what was computed for no other purpose.
var ashes atomic.Uint64

// pool is what a program does without other processes.
func pool() *peer {
	return &peer{
		name: "pool", worker: "go", client: "go", aside: true,
		about: "no other process: each caller computes in its own goroutine, GOMAXPROCS of them at once, the others wait",
		start: func(context.Context, *site) (target, error) {
			return permits(make(chan struct{}, runtime.GOMAXPROCS(0))), nil
		},
	}
}

// permits are as many as calls may compute at once.
type permits chan struct{}

func (p permits) call(ctx context.Context, service string, payload []byte) ([]byte, error) {
	select {
	case p <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-p }()
	return handlers[service](payload)
}

func (p permits) close() error { return nil }
