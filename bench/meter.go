// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// measurement is what one run of one peer gave.
type measurement struct {
	Jobs    int64   `json:"jobs"`
	Seconds float64 `json:"seconds"`
	P50     float64 `json:"p50_us"`
	P99     float64 `json:"p99_us"`
	P999    float64 `json:"p999_us"`
	CPU     float64 `json:"cpu_us_per_job"` // of all processes
	RSS     int64   `json:"rss_bytes"`      // the sum of all processes' peaks
	Foreign float64 `json:"foreign_cpu"`    // processors that others used meanwhile
	// Allocs and Cgo are what the caller's process alone spends on a job, if it
	// is in Go: objects allocated, and calls into C.
	Allocs float64 `json:"client_allocs_per_job"`
	Cgo    float64 `json:"client_cgo_per_job"`
	// More are the figures that a case adds, by the key that its rows have.
	More map[string]float64 `json:"more"`
	// Times are histograms for plots, by name, as pack makes them.
	Times map[string][]byte `json:"times"`
}

// shards is how many histograms the callers share: each of its own would be
// megabytes, one for all a lock that everybody waits for.
const shards = 16

// meter takes the time of jobs.
type meter struct {
	on    atomic.Bool
	over  atomic.Bool
	shard [shards]struct {
		mu    sync.Mutex
		times *hdrhistogram.Histogram // guarded by mu
		_     [40]byte                // a cache line each
	}
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(100, int64(time.Minute), 3) // nanoseconds
}

func newMeter() *meter {
	m := &meter{}
	for i := range m.shard {
		m.shard[i].times = newHistogram()
	}
	return m
}

// done takes note of a caller's job.
func (m *meter) done(caller int, took time.Duration) {
	if !m.on.Load() {
		return
	}
	s := &m.shard[caller%shards]
	s.mu.Lock()
	_ = s.times.RecordValue(max(int64(took), 1)) // beyond a minute the job has failed
	s.mu.Unlock()
}

// times returns all that was measured.
func (m *meter) times() *hdrhistogram.Histogram {
	all := newHistogram()
	for i := range m.shard {
		s := &m.shard[i]
		s.mu.Lock()
		all.Merge(s.times)
		s.mu.Unlock()
	}
	return all
}

// fill puts the times into the measurement.
func (r *measurement) fill(times *hdrhistogram.Histogram) {
	us := func(percentile float64) float64 { return float64(times.ValueAtPercentile(percentile)) / 1e3 }
	r.P50, r.P99, r.P999 = us(50), us(99), us(99.9)
	r.Jobs = times.TotalCount()
}

// charge puts into the measurement what the processes have used between two
// moments.
func (r *measurement) charge(before, after usage) error {
	r.account(before, after)
	if r.Jobs == 0 {
		return errors.New("not one job was done")
	}
	return nil
}

// account is charge where it may be that no job was done.
func (r *measurement) account(before, after usage) {
	r.Seconds = after.at.Sub(before.at).Seconds()
	if r.Jobs > 0 {
		r.CPU = float64((after.cpu - before.cpu).Nanoseconds()) / 1e3 / float64(r.Jobs)
	}
	foreign := (after.machine - before.machine) - (after.cpu - before.cpu)
	r.Foreign = max(0, foreign.Seconds()/r.Seconds)
}

// closedLoop has each caller submit one job after the other. It measures what a
// caller waits; how a peer behaves under a given rate is another question.
func closedLoop(ctx context.Context, t target, w work) (measurement, error) {
	return closedLoopNoting(ctx, t, w, func(*measurement, usage, usage) {})
}

// closedLoopNoting is closedLoop, and note sees what was used before and after.
func closedLoopNoting(ctx context.Context, t target, w work, note func(r *measurement, before, after usage)) (r measurement, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	m := newMeter()
	payload := w.payload()
	var callers sync.WaitGroup
	for i := range w.Callers {
		callers.Go(func() {
			if err := m.loop(ctx, i, t, w, payload); err != nil {
				cancel(err)
			}
		})
	}
	pause(ctx, time.Duration(w.WarmMS)*time.Millisecond)
	before, err := usageNow()
	if err != nil {
		return r, err
	}
	allocs, cgo := countAllocs(), runtime.NumCgoCall()
	m.on.Store(true)
	pause(ctx, time.Duration(w.LengthMS)*time.Millisecond)
	for ctx.Err() == nil && m.times().TotalCount() == 0 {
		pause(ctx, time.Millisecond) // longer, for one job
	}
	m.on.Store(false)
	after, err := usageOf(before.pids)
	allocs, cgo = countAllocs()-allocs, runtime.NumCgoCall()-cgo
	m.over.Store(true)
	callers.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return r, cause
	}
	if err == nil {
		r.RSS, err = peakRSS(before.pids)
	}
	if err != nil {
		return r, err
	}
	r.fill(m.times())
	r.Allocs, r.Cgo = float64(allocs)/float64(r.Jobs), float64(cgo)/float64(r.Jobs)
	if err := r.charge(before, after); err != nil {
		return r, err
	}
	note(&r, before, after)
	return r, nil
}

// countAllocs returns how many objects this process has allocated so far.
func countAllocs() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func (m *meter) loop(ctx context.Context, caller int, t target, w work, payload []byte) error {
	start := time.Now()
	for !m.over.Load() {
		result, err := t.call(ctx, w.Service, payload)
		if err != nil {
			return fmt.Errorf("caller %d: %w", caller, err)
		}
		if w.isEcho() && !same(result, payload) {
			return fmt.Errorf("caller %d: sent %d octets, got %d others", caller, len(payload), len(result))
		}
		now := time.Now()
		m.done(caller, now.Sub(start))
		start = now
	}
	return nil
}

// same compares payloads, of large ones only the ends: comparing a megabyte takes
// as long as sending it.
func same(a, b []byte) bool {
	const end = 4096
	if len(a) != len(b) || len(a) <= 2*end {
		return bytes.Equal(a, b)
	}
	return bytes.Equal(a[:end], b[:end]) && bytes.Equal(a[len(a)-end:], b[len(b)-end:])
}

func makePayload(size int) []byte {
	payload := make([]byte, size)
	for i := range payload {
		payload[i] = byte('a' + i%26)
	}
	return payload
}

// pause waits that long, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// drive runs a client in C++ that measures by itself (native/meter.hpp).
func (f *family) drive(m *member) (r measurement, err error) {
	if err := m.expect("begin"); err != nil {
		return r, err
	}
	before, err := usageNow()
	if err == nil {
		err = m.goOn()
	}
	if err == nil {
		err = m.expect("end")
	}
	if err != nil {
		return r, err
	}
	after, err := usageOf(before.pids)
	if err == nil {
		r.RSS, err = peakRSS(before.pids)
	}
	if err == nil {
		err = m.goOn()
	}
	if err != nil {
		return r, err
	}
	times := newHistogram()
	for lines := bufio.NewScanner(m.out); lines.Scan(); {
		if err := recordLine(times, lines.Text()); err != nil {
			return r, fmt.Errorf("%s: %w", m.name, err)
		}
	}
	if err := f.wait(m); err != nil {
		return r, err
	}
	r.fill(times)
	return r, r.charge(before, after)
}

// recordLine takes note of a job's time in nanoseconds, or of that and how many
// took so long.
func recordLine(times *hdrhistogram.Histogram, line string) error {
	digits, many, batch := strings.Cut(line, " ")
	ns, err := strconv.ParseInt(digits, 10, 64)
	count := int64(1)
	if err == nil && batch {
		count, err = strconv.ParseInt(many, 10, 64)
	}
	if err != nil {
		return err
	}
	return times.RecordValues(max(ns, 1), count)
}

// goOn lets the process go on after a word of it.
func (m *member) goOn() error {
	_, err := m.in.Write([]byte("\n"))
	return err
}

// expect waits for that word of the process.
func (m *member) expect(word string) error {
	said, err := m.line()
	if err == nil && said != word {
		err = fmt.Errorf("%s: said %q, not %q", m.name, said, word)
	}
	return err
}
