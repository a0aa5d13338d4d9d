// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

const mostFindings = 20 // that are shown

// verdict checks all that was recorded, and reports.
func (w *world) verdict(began time.Duration) int {
	e := &evidence{jobs: map[string]*submission{}, starts: map[string][]start{}, files: map[string][]start{}}
	if err := e.loadRunners(w.dir); err != nil {
		w.find("the records of the runners: %v", err)
	}
	if err := e.loadWorkers(w.dir); err != nil {
		w.find("the journals of the workers: %v", err)
	}
	for i, p := range w.runners {
		e.runnerTroubles[i] = p.troubles
	}
	for i, p := range w.workers {
		e.workerTroubles[i] = p.troubles
	}
	e.troubles = append(e.troubles, w.lags...)
	for _, p := range w.masters {
		e.troubles = append(e.troubles, p.troubles...)
	}
	n := e.check(func(id, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		if id != "" {
			text = "job " + id + ": " + text
			if len(w.findings) < mostFindings {
				text += "\n" + e.history(id, began)
			}
		}
		w.find("%s", text)
	})
	w.checkEnds(began)
	w.checkLogs()
	w.report(n, now()-began)
	return len(w.findings)
}

// checkEnds looks how each process ended.
func (w *world) checkEnds(began time.Duration) {
	for i, p := range w.masters {
		for _, e := range p.ends {
			scarce := i == masterA && overlap(w.scarce, e.started-time.Second, e.at) > 0
			ok := e.killed || e.code == 0 && e.asked || e.code == 1 && scarce
			w.judge(p, e, ok, began)
		}
	}
	for i, p := range w.workers {
		var troubles []span
		troubles = append(append(troubles, p.troubles...), w.masters[masterOf(i)].troubles...)
		slices.SortFunc(troubles, func(a, b span) int { return cmp.Compare(a.from, b.from) })
		for _, e := range p.ends {
			// Without its master a worker gives up; one that is told to go and
			// cannot say so does too. Some jobs kill it.
			troubled := overlap(troubles, e.at-15*time.Second, e.at) > 0
			gaveUp := (e.code == 1 || e.code == 3) && troubled
			w.judge(p, e, e.killed || e.signal == syscall.SIGKILL || e.code == 0 && e.asked || gaveUp, began)
		}
	}
	for _, p := range w.runners {
		for _, e := range p.ends {
			w.judge(p, e, e.killed || e.code == 0 && e.asked, began)
		}
	}
}

func (w *world) judge(p *place, e ended, ok bool, began time.Duration) {
	if text, err := os.ReadFile(e.log); err == nil && len(text) == 0 && e.asked && e.signal == syscall.SIGTERM {
		return // before it was far enough to catch the signal
	}
	switch {
	case e.unreasonable:
		w.find("%s, process %d, did not end within %v of SIGTERM; log %s:\n%s", p.name, e.pid, endLimit, e.log, tail(e.log))
	case !ok:
		w.find("%s, process %d, ended at %.3f s with %v (SIGTERM: %v); log %s:\n%s",
			p.name, e.pid, (e.at - began).Seconds(), e, e.asked, e.log, tail(e.log))
	}
}

func tail(path string) string {
	text, _ := os.ReadFile(path)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) > 12 {
		lines = lines[len(lines)-12:]
	}
	return "    " + strings.Join(lines, "\n    ")
}

var bad = regexp.MustCompile(`(?m)^.*(panic|fatal error|Assertion|DATA RACE|terminate called|runtime error|Sanitizer|SIGSEGV|SIGBUS).*$`)

// checkLogs looks for what no process should ever say.
func (w *world) checkLogs() {
	for _, p := range w.places() {
		for _, e := range p.ends {
			text, err := os.ReadFile(e.log)
			if err != nil {
				w.find("log of %s: %v", p.name, err)
				continue
			}
			if line := bad.Find(text); line != nil {
				w.find("%s, process %d, says: %s (%s)", p.name, e.pid, line, e.log)
			}
		}
	}
}

// history is all that is known of a job.
func (e *evidence) history(id string, began time.Duration) string {
	type line struct {
		at   time.Duration
		text string
	}
	var lines []line
	from, to := now(), time.Duration(0)
	add := func(at time.Duration, format string, args ...any) {
		lines = append(lines, line{at, fmt.Sprintf(format, args...)})
		from, to = min(from, at), max(to, at)
	}
	if s := e.jobs[id]; s != nil {
		add(s.submitted, "runner %d executes it: service %s, %s, retries %d, wait %v, cancelled after %v", s.runner, s.service, s.mode, s.retries, s.wait, s.cancel)
		add(s.deadline, "its deadline")
		if s.answered {
			add(s.returned, "its runner is told %s, may have run: %v %s", s.kind, s.ran, s.text)
		}
		for _, l := range *s.lags {
			if l.to > s.submitted && s.answered && l.from < s.returned {
				add(l.from, "its runner gets no processor for %v", l.to-l.from)
			}
		}
		for _, t := range e.runnerTroubles[s.runner] {
			if t.to > s.submitted-time.Second && t.from < max(s.deadline, s.returned) {
				add(t.from, "runner %d is in trouble for %v", s.runner, t.to-t.from)
			}
		}
	}
	for _, x := range e.starts[id] {
		add(x.at, "worker %d (%s) starts it", x.worker, x.file)
		if x.ended != 0 {
			add(x.end, "worker %d ends it: %c", x.worker, x.ended)
		}
		for _, t := range e.workerTroubles[x.worker] {
			if t.to > x.at-5*time.Second && t.from < x.at+time.Second {
				add(t.from, "worker %d is in trouble for %v", x.worker, t.to-t.from)
			}
		}
	}
	for _, t := range e.troubles {
		if t.to > from && t.from < to && t.to-t.from > 20*time.Millisecond {
			lines = append(lines, line{t.from, fmt.Sprintf("a master, or the machine, is in trouble for %v", t.to-t.from)})
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.at, b.at) })
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "    %10.4f s  %s\n", (l.at - began).Seconds(), l.text)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// report says all in numbers, findings last.
func (w *world) report(n tally, took time.Duration) {
	w.say("jobs: %d executed, %d started; %d starts were second ones of jobs that allow it; %d were with a runner when it was killed",
		n.jobs, n.starts, n.again, n.unanswered)
	w.say("outcomes: %s", counts(n.outcomes))
	faults := map[string]int{}
	total := 0
	for k, c := range w.done {
		if c > 0 {
			faults[faultKind(k).String()] = c
			total += c
		}
	}
	w.say("faults: %d: %s", total, counts(faults))
	for reason, times := range w.skipped {
		w.say("SKIPPED %d times: %s", times, reason)
	}
	processes := 0
	for _, p := range w.places() {
		processes += len(p.ends)
	}
	w.say("processes: %d; left by workers in listen mode that were killed: %d socket files", processes, w.ownLeft)
	w.say("Execute returned at most %v after its deadline; without the time in which its process got no processor %v (allowed: %v)",
		n.latest.Round(time.Microsecond), n.lateness.Round(time.Microsecond), lateMargin)
	w.say("%d jobs started after their deadline, at most %v; without the time in which something on their way was stopped or cut off %v (allowed: %v)",
		n.startLate, n.startLatest.Round(time.Microsecond), n.startLateness.Round(time.Microsecond), startMargin)
	for i, f := range w.findings[:min(len(w.findings), mostFindings)] {
		w.say("FINDING %d: %s", i+1, f)
	}
	if more := len(w.findings) - mostFindings; more > 0 {
		w.say("and %d more", more)
	}
	w.say("seed %d: %d findings in %v; again: make chaos SEED=%d TIME=%v", w.cfg.Seed, len(w.findings), took.Round(100*time.Millisecond), w.cfg.Seed, w.cfg.Time)
}

func counts(m map[string]int) string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(m[b], m[a]), cmp.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, m[name])
	}
	return strings.Join(names, ", ")
}
