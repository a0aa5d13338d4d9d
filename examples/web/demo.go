// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/powerhose/powerhose/jobrunner"
)

// demo is a user of the web application: it sends real HTTP requests over
// loopback, checks every answer, and tells what it saw.
type demo struct {
	report
	url      string
	hose     *jobrunner.Runner
	client   *http.Client
	began    time.Time
	requests atomic.Int64
	jobs     uint64
}

const (
	demoWorkers = 2
	// atOnce is more than that many workers and their waiting room take.
	atOnce = 150
)

func newDemo(url string, hose *jobrunner.Runner) *demo {
	return &demo{
		report: report{out: os.Stdout},
		url:    url, hose: hose, began: time.Now(),
		client: &http.Client{
			Transport: &http.Transport{MaxIdleConnsPerHost: atOnce, MaxIdleConns: atOnce},
			Timeout:   2 * timeout,
		},
	}
}

// reply is what came back for a request.
type reply struct {
	status int
	body   string // without the line's end
	header http.Header
	took   time.Duration
	err    error // no answer at all; status is 0
}

func (d *demo) get(path string) reply {
	d.requests.Add(1)
	began := time.Now()
	resp, err := d.client.Get(d.url + path)
	if err != nil {
		return reply{err: err, body: err.Error(), took: time.Since(began)}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, strings.TrimSpace(string(body)), resp.Header, time.Since(began), err}
}

// status asks the application for its master's state.
func (d *demo) status() (s jobrunner.Status, err error) {
	r := d.get("/status")
	if r.err != nil {
		return s, r.err
	}
	return s, json.Unmarshal([]byte(r.body), &s)
}

// until asks again and again until the state is as wanted.
func (d *demo) until(wanted func(jobrunner.Status) bool) (s jobrunner.Status, err error) {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if s, err = d.status(); err != nil || wanted(s) {
			return s, err
		}
	}
	return s, errors.New("waited for the workers in vain")
}

// run goes through the demonstration. After its last step this process has sent
// itself SIGTERM. Wrong answers are counted, and are not an error yet: see close.
func (d *demo) run(ctx context.Context) error {
	// After a Ctrl-C nothing is answered any more, which proves nothing.
	expected := context.AfterFunc(ctx, func() { d.silent.Store(true) })
	for _, step := range []func() error{d.start, d.oneByOne, d.cost, d.busy, d.overload, d.crash} {
		err := step()
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		if err != nil {
			return err
		}
	}
	expected()
	return d.end()
}

func (d *demo) start() error {
	d.title("A web application that burns no CPU itself")
	s, err := d.until(func(s jobrunner.Status) bool { return len(s.Workers) == demoWorkers })
	if err != nil {
		return err
	}
	d.line("web process  pid %-8d %s, with the master inside", os.Getpid(), d.url)
	for _, w := range s.Workers {
		d.line("worker       pid %-8d services %s; nice %d", w.PID, strings.Join(w.Services, ", "), jobrunner.DefaultNice)
	}
	return nil
}

func (d *demo) oneByOne() error {
	d.title("Requests, one after the other")
	for _, c := range []struct {
		path   string
		status int
		want   string // a part of the answer
	}{
		{"/ping", 200, "pong"},
		{"/square?n=12", 200, "144"},
		{"/square?n=-123456789012345", 200, "15241578753238669120562399025"},
		{"/square?n=twelve", 400, `"twelve" is not a whole number`},
		{"/burn?ms=2000&timeout=50", 504, "timed out running"},
		{"/burn?ms=20", 200, "burned 20 ms of CPU in process "},
	} {
		r := d.get(c.path)
		d.check(r.status == c.status && strings.Contains(r.body, c.want), "GET %s: wanted %d %q", c.path, c.status, c.want)
		d.exchange(c.path, r)
	}
	return nil
}

// cost compares requests that need a job with those that don't.
func (d *demo) cost() error {
	const warm, times = 50, 1000
	d.title("What a job costs: %d of each, one after the other", times)
	ask := func(path, want string) func() time.Duration {
		return func() time.Duration {
			r := d.get(path)
			d.check(r.body == want, "GET %s: wanted %s, got %d %s", path, want, r.status, r.body)
			return r.took
		}
	}
	execute := func() time.Duration {
		began := time.Now()
		answer, err := d.hose.Execute(context.Background(), "square", "12")
		took := time.Since(began)
		d.check(err == nil && answer == "144", "Execute: %q, %v", answer, err)
		return took
	}
	for _, c := range []struct {
		what string
		do   func() time.Duration
	}{
		{"GET /ping, no job", ask("/ping", "pong")},
		{"GET /square?n=12, one job", ask("/square?n=12", "144")},
		{"the job alone, runner.Execute", execute},
	} {
		for range warm {
			c.do()
		}
		took := make([]time.Duration, times)
		for i := range took {
			took[i] = c.do()
		}
		d.times(c.what, took)
	}
	return nil
}

// busy keeps all workers computing, and looks at what else the web process has
// to do.
func (d *demo) busy() error {
	const clients, each = 8, 8
	d.title("%d clients want %d × 20 ms of CPU each, another one only /ping", clients, each)
	var burning, pinging sync.WaitGroup
	var mu sync.Mutex // guards burns
	var burns, pings []time.Duration
	began, over := time.Now(), make(chan struct{})
	pinging.Go(func() {
		for tick := time.NewTicker(time.Millisecond); ; <-tick.C {
			select {
			case <-over:
				tick.Stop()
				return
			default:
			}
			r := d.get("/ping")
			d.check(r.body == "pong", "GET /ping: %d %s", r.status, r.body)
			pings = append(pings, r.took)
		}
	})
	for range clients {
		burning.Go(func() {
			for range each {
				r := d.get("/burn?ms=20")
				d.check(r.status == 200, "GET /burn?ms=20: %d %s", r.status, r.body)
				mu.Lock()
				burns = append(burns, r.took)
				mu.Unlock()
			}
		})
	}
	burning.Wait()
	took := time.Since(began)
	close(over)
	pinging.Wait()
	d.times("GET /burn?ms=20, in turn", burns)
	d.times("GET /ping beside it", pings)
	d.line("%d × 20 ms = %.2f s of computing was done in %.2f s, and /ping did not wait for it",
		len(burns), float64(len(burns))*0.02, took.Seconds())
	return nil
}

// overload asks for more than there is room for. What has no chance is refused
// at once, while there is time to do something else; the rest is done in turn.
func (d *demo) overload() error {
	const path = "/burn?ms=10"
	d.title("%d requests GET %s at the same moment, where %d jobs may wait", atOnce, path, maxWaiting)
	together := func(path string) []reply {
		replies := make([]reply, atOnce)
		var all sync.WaitGroup
		for i := range replies {
			all.Go(func() { replies[i] = d.get(path) })
		}
		all.Wait()
		return replies
	}
	together("/ping") // opens the connections, which is not what this is about
	var served, refused []time.Duration
	for _, r := range together(path) {
		switch {
		case r.status == 200:
			served = append(served, r.took)
		case r.status == 503 && r.header.Get("Retry-After") != "" && r.header.Get("Job-May-Have-Run") == "false":
			refused = append(refused, r.took)
		default:
			d.check(false, "GET %s: %d %s", path, r.status, r.body)
		}
	}
	d.check(len(served) >= maxWaiting, "only %d of %d requests were served", len(served), atOnce)
	d.times(fmt.Sprintf("%3d × 200 OK", len(served)), served)
	d.times(fmt.Sprintf("%3d × 503, Retry-After: 1", len(refused)), refused)
	return nil
}

// crash has a worker end by kill -9 in the middle of a job.
func (d *demo) crash() error {
	d.title("A worker is killed with kill -9 in the middle of its job")
	before, err := d.status()
	if err != nil {
		return err
	}
	killed := time.Now()
	r := d.get("/crash")
	d.check(r.status == 502 && r.header.Get("Job-May-Have-Run") == "true", "GET /crash: wanted 502, got %d %s", r.status, r.body)
	d.exchange("/crash", r)
	r = d.get("/square?n=13")
	d.check(r.body == "169", "GET /square?n=13: %d %s", r.status, r.body)
	d.exchange("/square?n=13", r)

	was, is := pids(before), ""
	_, err = d.until(func(s jobrunner.Status) bool {
		is = pids(s)
		return len(s.Workers) == demoWorkers && is != was
	})
	if err != nil {
		return err
	}
	d.line("it was replaced after %s: the workers were %s, they are %s", short(time.Since(killed)), was, is)
	return nil
}

// pids names the workers, in order.
func pids(s jobrunner.Status) string {
	var found []int
	for _, w := range s.Workers {
		found = append(found, w.PID)
	}
	slices.Sort(found)
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(found), " ", " and "), "[]")
}

// end stops the whole application while it has a request to answer.
func (d *demo) end() error {
	d.title("SIGTERM to the web process, with a request in hand")
	const path = "/burn?ms=200"
	answer := make(chan reply, 1)
	go func() { answer <- d.get(path) }()
	s, err := d.until(func(s jobrunner.Status) bool { return s.Jobs.Running > 0 })
	if err != nil {
		return err
	}
	d.jobs = s.Jobs.Submitted
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		return err
	}
	r := <-answer
	d.check(r.status == 200, "GET %s: wanted 200, got %d %s", path, r.status, r.body)
	d.exchange(path, r)
	return nil
}

// close tells where the CPU time went, now that all workers have ended, and
// returns an error if any answer was wrong.
func (d *demo) close() error {
	d.title("After %.1f s all processes have ended. Where the CPU time went:", time.Since(d.began).Seconds())
	d.line("web process  %5.2f s  to send and to serve %d requests", cpuTime(syscall.RUSAGE_SELF).Seconds(), d.requests.Load())
	d.line("workers      %5.2f s  to do %d jobs", cpuTime(syscall.RUSAGE_CHILDREN).Seconds(), d.jobs)
	d.blank()
	if n := d.wrong.Load(); n > 0 {
		return fmt.Errorf("%d of %d answers were wrong", n, d.checked.Load())
	}
	d.line("All %d answers were right. Now by hand: bin/examples/web, and then", d.checked.Load())
	d.line("curl 'http://127.0.0.1:8080/square?n=12'")
	return nil
}
