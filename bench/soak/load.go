// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/powerhose/powerhose/bench/internal/rig"
	"github.com/powerhose/powerhose/jobrunner"
)

const (
	rateVariable = "SOAK_RATE"
	leakVariable = "SOAK_LEAK"
	seedVariable = "SOAK_SEED"

	callers = 64
	// timeout of most jobs. An outcome that comes later than this and tolerance
	// is a broken promise, unless the process did not get a processor meanwhile.
	timeout   = 5 * time.Second
	tolerance = time.Second
)

// tally is what became of the jobs so far.
type tally struct {
	Jobs      int64 `json:"jobs"`
	OK        int64 `json:"ok"`
	JobError  int64 `json:"job_error"` // all of them wanted
	Lost      int64 `json:"lost"`      // with a worker that was killed
	TimedOut  int64 `json:"timed_out"` // jobs with hardly any time, or behind a stopped worker
	Busy      int64 `json:"busy"`      // jobs that would not wait, or had no time for it
	Cancelled int64 `json:"cancelled"` // by their callers
	Runners   int64 `json:"runners"`   // that came and went
	Behind    int64 `json:"behind"`    // jobs not submitted, because all callers waited
	// Gap is the longest time that the process did not get a processor.
	Gap       time.Duration `json:"gap"`
	Wrong     int64         `json:"wrong"`      // everything else: a broken promise
	WrongText string        `json:"wrong_text"` // the first of these
}

// answer is what a runner's process tells.
type answer struct {
	rig.Gauges
	tally
	P50 float64 `json:"p50_us"` // of small echo jobs since the last answer
	P99 float64 `json:"p99_us"`
}

// soaker submits jobs of all kinds at a steady rate, and checks each outcome.
type soaker struct {
	runner *jobrunner.Runner
	log    *slog.Logger
	rate   int
	gaps   gapMeter
	counts struct {
		jobs, ok, jobError, lost, timedOut, busy, cancelled, runners, behind, wrong atomic.Int64
	}

	mu     sync.Mutex
	times  *hdrhistogram.Histogram // guarded by mu
	wrong  string                  // guarded by mu
	leaked []any                   // of the deliberate leak, guarded by mu
}

// playRunner is the process that submits the jobs.
func playRunner(ctx context.Context) error {
	rate, err := strconv.Atoi(os.Getenv(rateVariable))
	if err != nil {
		return err
	}
	seed, err := strconv.ParseUint(os.Getenv(seedVariable), 10, 64)
	if err != nil {
		return err
	}
	s := &soaker{rate: rate, times: newHistogram(), log: rig.Logger()}
	if s.runner, err = jobrunner.Connect(jobrunner.Config{Timeout: timeout, Logger: rig.Logger()}); err != nil {
		return err
	}
	// Who does not wait for a worker does not wait for the connection either.
	ready, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err = s.runner.WaitReady(ready); err != nil {
		return err
	}
	leak := os.Getenv(leakVariable)
	asked := make(chan struct{})
	go func() {
		rig.Answer(func() any { s.leak(leak); return s.answer() })
		close(asked)
	}()
	work := make(chan struct{}, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			for range work {
				s.one(random)
			}
		})
	}
	all.Go(func() { s.comeAndGo(ctx) })
	s.pace(ctx, work)
	close(work)
	all.Wait()
	fmt.Println("done")
	<-asked // the last question is asked after the last job
	return s.runner.Close()
}

// pace gives out jobs at the rate until ctx ends.
func (s *soaker) pace(ctx context.Context, work chan<- struct{}) {
	const beat = time.Millisecond
	tick := time.NewTicker(beat)
	defer tick.Stop()
	began, given := time.Now(), int64(0)
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		s.gaps.tick()
		for due := int64(time.Since(began).Seconds() * float64(s.rate)); given < due; given++ {
			select {
			case work <- struct{}{}:
			default:
				s.counts.behind.Add(1)
			}
		}
	}
}

// one has one job done, of a kind chosen by chance.
func (s *soaker) one(random *rand.Rand) {
	s.counts.jobs.Add(1)
	switch n := random.IntN(1000); {
	case n < 900:
		s.echo(random, random.IntN(1000), true)
	case n < 915:
		s.echo(random, random.IntN(200_000), false)
	case n < 940:
		x := new(big.Int).SetUint64(random.Uint64())
		s.check("square", x.String(), jobrunner.Job{Service: "square", Payload: []byte(x.String())}, new(big.Int).Mul(x, x).String())
	case n < 970:
		s.check("sleep", "5", jobrunner.Job{Service: "sleep", Payload: []byte("5")}, "5")
	case n < 980:
		s.fail()
	case n < 985:
		s.cancel()
	case n < 990: // hardly any time
		s.judge("hurried", s.do(context.Background(), jobrunner.Job{Service: "sleep", Payload: []byte("3"), Timeout: 2 * time.Millisecond}),
			jobrunner.ErrTimedOut, jobrunner.ErrBusy)
	default: // no patience
		s.judge("impatient", s.do(context.Background(), jobrunner.Job{Service: "echo", Wait: jobrunner.NoWait}), jobrunner.ErrBusy)
	}
}

// faults are the errors that any job may end with, because workers are killed
// and stopped under it.
var faults = []error{jobrunner.ErrWorkerLost, jobrunner.ErrTimedOut, jobrunner.ErrBusy}

func (s *soaker) echo(random *rand.Rand, size int, measured bool) {
	payload := bytes.Repeat([]byte{byte(random.Uint32())}, size)
	job := jobrunner.Job{Service: "echo", Payload: payload, Idempotent: random.IntN(2) == 0}
	stop := s.watch(timeout)
	result, err := s.runner.Do(context.Background(), job)
	took := stop()
	switch {
	case err == nil && !bytes.Equal(result, payload):
		s.broken("echo of %d octets returned %d others", len(payload), len(result))
	case err == nil && measured:
		s.mu.Lock()
		_ = s.times.RecordValue(int64(took))
		s.mu.Unlock()
	}
	s.judge("echo", err, faults...)
}

func (s *soaker) check(kind, payload string, job jobrunner.Job, want string) {
	stop := s.watch(timeout)
	result, err := s.runner.Do(context.Background(), job)
	stop()
	if err == nil && string(result) != want {
		s.broken("%s of %s is %q", kind, payload, result)
	}
	s.judge(kind, err, faults...)
}

func (s *soaker) fail() {
	err := s.do(context.Background(), jobrunner.Job{Service: "square", Payload: []byte("x")})
	if err == nil {
		s.broken("a job that has to fail did not")
	}
	s.judge("fail", err, append([]error{jobrunner.ErrJob}, faults...)...)
}

func (s *soaker) cancel() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	stop := time.AfterFunc(time.Millisecond, cancel)
	defer stop.Stop()
	s.judge("cancel", s.do(ctx, jobrunner.Job{Service: "sleep", Payload: []byte("20")}), append([]error{jobrunner.ErrCancelled}, faults...)...)
	cancel()
}

func (s *soaker) do(ctx context.Context, job jobrunner.Job) error {
	allowed := timeout
	if job.Timeout > 0 {
		allowed = job.Timeout
	}
	stop := s.watch(allowed)
	_, err := s.runner.Do(ctx, job)
	stop()
	return err
}

// watch takes the time of a job until the function that it returns is called.
func (s *soaker) watch(allowed time.Duration) (stop func() time.Duration) {
	began, gaps := time.Now(), s.gaps.total()
	return func() time.Duration {
		took := time.Since(began)
		if took > allowed+tolerance {
			if without := took - (s.gaps.total() - gaps); without > allowed+tolerance {
				s.broken("an outcome came after %v, where %v were allowed", took, allowed)
			}
		}
		return took
	}
}

// judge counts an outcome. An error that is not among the allowed ones is wrong.
func (s *soaker) judge(kind string, err error, allowed ...error) {
	if err == nil {
		s.counts.ok.Add(1)
		return
	}
	for _, a := range allowed {
		if errors.Is(err, a) {
			s.count(a).Add(1)
			s.log.Debug("as expected", "kind", kind, "error", err)
			return
		}
	}
	s.broken("%s: %v", kind, err)
}

// count is the counter of an error that was to be expected.
func (s *soaker) count(expected error) *atomic.Int64 {
	return map[error]*atomic.Int64{
		jobrunner.ErrJob:        &s.counts.jobError,
		jobrunner.ErrWorkerLost: &s.counts.lost,
		jobrunner.ErrTimedOut:   &s.counts.timedOut,
		jobrunner.ErrBusy:       &s.counts.busy,
		jobrunner.ErrCancelled:  &s.counts.cancelled,
	}[expected]
}

func (s *soaker) broken(format string, args ...any) {
	s.counts.wrong.Add(1)
	s.log.Warn("promise broken", "what", fmt.Sprintf(format, args...))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wrong == "" {
		s.wrong = fmt.Sprintf(format, args...)
	}
}

// comeAndGo connects another runner again and again, each for one job.
func (s *soaker) comeAndGo(ctx context.Context) {
	const every = 200 * time.Millisecond
	for pause(ctx, every) {
		r, err := jobrunner.Connect(jobrunner.Config{Timeout: timeout})
		if err != nil {
			s.broken("connect: %v", err)
			continue
		}
		s.counts.jobs.Add(1)
		_, err = r.Execute(context.Background(), "echo", "x")
		s.judge("a runner that comes and goes", err, faults...)
		if err := r.Close(); err != nil {
			s.broken("close: %v", err)
		}
		s.counts.runners.Add(1)
	}
}

// answer tells what there is, and begins the next window.
func (s *soaker) answer() answer {
	a := answer{Gauges: rig.OwnGauges()}
	c := &s.counts
	a.tally = tally{
		Jobs: c.jobs.Load(), OK: c.ok.Load(), JobError: c.jobError.Load(), Lost: c.lost.Load(), TimedOut: c.timedOut.Load(),
		Busy: c.busy.Load(), Cancelled: c.cancelled.Load(), Runners: c.runners.Load(), Behind: c.behind.Load(), Gap: s.gaps.longest(), Wrong: c.wrong.Load(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a.WrongText = s.wrong
	a.P50, a.P99 = float64(s.times.ValueAtPercentile(50))/1e3, float64(s.times.ValueAtPercentile(99))/1e3
	s.times.Reset()
	return a
}

// leak keeps something for ever, to show that it is found.
func (s *soaker) leak(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch what {
	case "memory":
		s.leaked = append(s.leaked, bytes.Repeat([]byte{1}, 256<<10))
	case "goroutine":
		go func() { select {} }()
	case "descriptor":
		if f, err := os.Open(os.DevNull); err == nil {
			s.leaked = append(s.leaked, f)
		}
	}
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(100, int64(time.Minute), 3) // nanoseconds
}

// pause waits that long; it returns false if ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
