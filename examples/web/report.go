// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// report prints, and keeps count of right and wrong answers. It may be used from
// several goroutines.
type report struct {
	mu  sync.Mutex // guards out
	out io.Writer

	silent         atomic.Bool // print nothing any more
	checked, wrong atomic.Int64
}

func (r *report) printf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.silent.Load() {
		return
	}
	_, _ = fmt.Fprintf(r.out, format+"\n", args...)
}

func (r *report) blank()                           { r.printf("") }
func (r *report) line(format string, args ...any)  { r.printf("  "+format, args...) }
func (r *report) title(format string, args ...any) { r.printf("\n"+format, args...) }

// maxMistakes is how many wrong answers are told; the others are only counted.
const maxMistakes = 10

// check counts an answer, and says what is wrong with it if it is.
func (r *report) check(right bool, format string, args ...any) {
	r.checked.Add(1)
	if !right && r.wrong.Add(1) <= maxMistakes {
		r.line("WRONG: "+format, args...)
	}
}

// exchange prints a request and what came back.
func (r *report) exchange(path string, got reply) {
	text := strings.TrimPrefix(got.body, "jobrunner: ")
	if got.status >= 500 {
		text += map[string]string{"true": ", may have run", "false": ", has not run"}[got.header.Get("Job-May-Have-Run")]
	}
	r.line("GET %-28s %9s  %d %s: %s", path, short(got.took), got.status, http.StatusText(got.status), text)
}

// times prints the distribution of durations.
func (r *report) times(what string, took []time.Duration) {
	slices.Sort(took)
	r.line("%-32s p50 %9s   p99 %9s", what, short(percentile(took, 50)), short(percentile(took, 99)))
}

// percentile of sorted durations, by the nearest rank: one of them, never
// something in between.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

// short prints a duration with two or three digits.
func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}
