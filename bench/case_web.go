// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sys/unix"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

const (
	webClients  = 64 // logins on their way at once, at most
	webWorkers  = 2
	webOverload = 5 // logins asked for beside those that the machine can do
	// Logins take a hundred times as long as other jobs here, and a flood needs a
	// while until all that can wait does.
	webLonger     = 8
	webWarmLonger = 10
)

// webPeers say where bcrypt runs.
var webPeers = []string{"in-process", "semaphore", "powerhose-embedded"}

// web is why there is Powerhose: a web process with a page that is expensive and
// one that is not.
func web() *experiment {
	at := func(peer string) place { return place{experiment: "web", peer: peer, callers: webClients} }
	ours := at("powerhose-embedded")
	return &experiment{
		name: "web", title: "A web process under a flood of logins: 64 clients, 5 times what it can do",
		works: func(s settings) []work {
			return []work{{
				Case: "web", Service: "bcrypt", Callers: webClients, Workers: webWorkers,
				WarmMS: max(s.warmMS*webWarmLonger, s.floodWarmMS), LengthMS: max(s.lengthMS*webLonger, s.floodLengthMS),
				Cost: s.bcryptCost, Rate: webOverload * loginsPerSecond(s.bcryptCost),
			}}
		},
		peers:   func() []string { return webPeers },
		measure: floodWeb,
		goals: []goal{
			{metric: "ping_p50_us", over: ours, atMost: 200},
			{metric: "ping_p99_us", over: ours, atMost: 3000},
			{metric: rate, over: ours, under: at("semaphore"), atLeast: 0.98},
		},
		columns: []column{
			words("bcrypt runs in", func(r row) string { return webPlaces[r.Peer] }),
			figures("logins/s", "jobs_per_s", 1), figures("of them within 1 s", "in_time_per_s", 1),
			median("refused/s", "refused_per_s", 1), median("tried in vain/s", "wasted_per_s", 1),
			figures("login p50 ms", "p50_us", 1e3), figures("login p99 ms", "p99_us", 1e3),
			figures("/ping p50 ms", "ping_p50_us", 1e3), figures("/ping p99 ms", "ping_p99_us", 1e3), figures("/ping p99.9 ms", "ping_p999_us", 1e3),
			median("RSS MiB", "rss_bytes", mib), othersColumn,
		},
		plots: plotWeb,
	}
}

// webPlaces say in words where bcrypt runs.
var webPlaces = map[string]string{
	"in-process":         "the request's goroutine",
	"semaphore":          "the same, behind a semaphore",
	"powerhose-embedded": "Powerhose's workers",
}

// inProcess and semaphore are what a web application does without Powerhose.
func inProcess() *peer {
	return &peer{
		name: "in-process", worker: "go", client: "go", aside: true,
		about: "no other process: each request computes in its own goroutine",
	}
}

func semaphore() *peer {
	return &peer{
		name: "semaphore", worker: "go", client: "go", aside: true,
		about: "no other process: each request computes in its own goroutine, GOMAXPROCS of them at once, the others wait",
	}
}

// loginsPerSecond is what the machine can do with all its processors if nobody
// else wants them. It is found out once, so that all peers meet the same flood.
func loginsPerSecond(cost int) float64 {
	capacity.Lock()
	defer capacity.Unlock()
	if found := capacity.of[cost]; found > 0 {
		return found
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(webPassword), cost)
	if err != nil {
		panic(err) // the cost is ours
	}
	took := leastTime(func() { _ = bcrypt.CompareHashAndPassword(hash, []byte(webPassword)) })
	found := float64(runtime.GOMAXPROCS(0)) / took.Seconds()
	capacity.of[cost] = found
	return found
}

var capacity = struct {
	sync.Mutex
	of map[int]float64 // by cost
}{of: map[int]float64{}}

// leastTime is the processor time of f, the least of several tries.
func leastTime(f func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	least := time.Hour
	for range 5 {
		before := threadTime()
		f()
		least = min(least, threadTime()-before)
	}
	return least
}

// threadTime is the processor time that this thread has used.
func threadTime() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) // it is there
	return time.Duration(t.Nano())
}

// floodWeb starts the web process and is its clients.
func floodWeb(ctx context.Context, s *site, p *peer) (r measurement, err error) {
	address, err := s.children.startRole(ctx, "web", p.name, strconv.Itoa(s.work.Cost))
	if err != nil {
		return r, err
	}
	f, err := newFlood(address, s.work)
	if err != nil {
		return r, err
	}
	defer f.close()
	return f.run(ctx)
}

// plotWeb draws how long each of the two pages takes: which share of the
// requests had their answer after how long.
func plotWeb(r *results, dir string) error {
	w := web().works(r.options.settings)[0]
	for _, page := range []struct{ file, times, title string }{
		{"web-ping", "ping", "/ping while 64 clients log in, 5 times what the machine can do"},
		{"web-login", "login", "/login with 64 clients, 5 times what the machine can do: those that succeed"},
	} {
		var lines []line
		for _, id := range webPeers {
			times, err := r.times(w.place(id), page.times)
			if err != nil {
				return err
			}
			if times.TotalCount() == 0 {
				continue
			}
			lines = append(lines, line{name: webPlaces[id], ours: id == "powerhose-embedded", points: distribution(times)})
		}
		if len(lines) == 0 {
			continue
		}
		picture := newPlot(page.title, "milliseconds until the answer", "per cent of the requests")
		picture.X.Scale, picture.X.Tick.Marker = plot.LogScale{}, decades{}
		picture.Y.Min, picture.Y.Max = 0, 100
		// Where no line is: between those that rise on the left and on the right.
		picture.Legend.Top, picture.Legend.YOffs = false, vg.Points(30)
		picture.Legend.XOffs = -vg.Points(110)
		if err := addCurves(picture, lines); err != nil {
			return err
		}
		if err := save(picture, filepath.Join(dir, page.file)); err != nil {
			return err
		}
	}
	return nil
}

// distribution is the share in per cent of times up to a number of
// milliseconds.
func distribution(times *hdrhistogram.Histogram) (points plotter.XYs) {
	total, so := float64(times.TotalCount()), int64(0)
	for _, bar := range times.Distribution() {
		if bar.Count == 0 {
			continue
		}
		x := float64(bar.To) / 1e6
		points = append(points, plotter.XY{X: x, Y: 100 * float64(so) / total})
		so += bar.Count
		points = append(points, plotter.XY{X: x, Y: 100 * float64(so) / total})
	}
	return points
}
