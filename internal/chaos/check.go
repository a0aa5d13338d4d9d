// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// How much noise is allowed beyond what was measured. The machine may be loaded
// by others: the time in which a process wanted the processor and did not get it
// is measured, and does not count (watchLag).
const (
	// lateMargin: Execute may return so much after its deadline.
	lateMargin = 100 * time.Millisecond
	// earlyMargin: a master's verdict may come so much before it, since it is
	// told a little less time than there is.
	earlyMargin = 60 * time.Millisecond
	// startMargin: a job may start so much after its deadline, beyond the time
	// in which something between its caller and its worker was stopped or cut
	// off: nobody compares clocks, so what is held up on its way starts late.
	startMargin = 250 * time.Millisecond
)

// evidence is all that was written down.
type evidence struct {
	jobs   map[string]*submission
	starts map[string][]start
	files  map[string][]start // by journal, in order
	// troubles of each runner's and worker's place, and of the masters' together
	// with the driver's lags.
	runnerTroubles [runners][]span
	workerTroubles [workers][]span
	troubles       []span
}

// tally is what the report says in numbers.
type tally struct {
	outcomes   map[string]int
	jobs       int
	starts     int
	unanswered int // their runner was killed
	again      int // starts beyond the first, of jobs that allow it

	latest, lateness time.Duration // worst return after a deadline; without measured noise
	startLate        int           // starts after the deadline
	startLatest      time.Duration
	startLateness    time.Duration // without what explains it
}

// finder notes what should not be, about a job or, with an empty id, about others.
type finder func(id, format string, args ...any)

// loadRunners reads the records of the runners.
func (e *evidence) loadRunners(dir string) error {
	for i := range runners {
		paths, err := filepath.Glob(filepath.Join(dir, fmt.Sprintf("record-%d.*", i)))
		if err != nil {
			return err
		}
		for _, path := range paths {
			if err := e.loadRunner(path, i); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *evidence) loadRunner(path string, place int) error {
	var lags []span
	var mine []*submission
	orderly := false
	err := readLines(path, map[string]int{"S": 9, "E": 6, "L": 3, "X": 2}, func(words []string) error {
		switch words[0] {
		case "S":
			t, err := times(words[2], words[3], words[6], words[7], words[8])
			if err != nil {
				return err
			}
			s := &submission{
				id: words[1], runner: place, submitted: t[0], deadline: t[1], service: words[4], mode: words[5],
				retries: int(t[2]), wait: t[3], cancel: t[4], lags: &lags,
			}
			e.jobs[s.id] = s
			mine = append(mine, s)
		case "E":
			s := e.jobs[words[1]]
			if s == nil || s.answered {
				return fmt.Errorf("an outcome too much: %v", s)
			}
			t, err := times(words[2])
			if err != nil {
				return err
			}
			s.answered, s.returned, s.kind, s.ran, s.text = true, t[0], words[3], words[4] == "true", words[5]
		case "L":
			t, err := times(words[1:3]...)
			if err != nil {
				return err
			}
			lags = append(lags, span{t[0], t[1]})
		case "X":
			orderly = true
		}
		return nil
	})
	slices.SortFunc(lags, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for _, s := range mine {
		s.orderly = orderly
	}
	return err
}

// loadWorkers reads the journals.
func (e *evidence) loadWorkers(dir string) error {
	paths, err := journals(dir)
	if err != nil {
		return err
	}
	for path, place := range paths {
		open := map[string]int{}
		var all []start
		err := readLines(path, map[string]int{"S": 3, "E": 3, "C": 3}, func(words []string) error {
			t, err := times(words[2])
			if err != nil {
				return err
			}
			if words[0] == "S" {
				open[words[1]] = len(all)
				all = append(all, start{id: words[1], worker: place, file: filepath.Base(path), at: t[0]})
				return nil
			}
			i, ok := open[words[1]]
			if !ok {
				return fmt.Errorf("the end of a job that did not start")
			}
			all[i].ended, all[i].end = words[0][0], t[0]
			delete(open, words[1])
			return nil
		})
		if err != nil {
			return err
		}
		e.files[path] = all
		for _, s := range all {
			e.starts[s.id] = append(e.starts[s.id], s)
		}
	}
	return nil
}

// Check compares what runners were told with what workers did.
func (e *evidence) check(find finder) tally {
	n := tally{outcomes: map[string]int{}, jobs: len(e.jobs)}
	ids := make([]string, 0, len(e.jobs))
	for id := range e.jobs {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		s := e.jobs[id]
		if s.answered {
			n.outcomes[s.kind]++
			e.checkOutcome(s, &n, find)
		} else {
			n.unanswered++
			if s.orderly {
				find(id, "no outcome, although its runner ended in order")
			}
		}
		e.checkStarts(s, &n, find)
	}
	for id := range e.starts {
		if e.jobs[id] == nil && !strings.HasPrefix(id, "driver.") {
			find(id, "a worker started a job that nobody submitted")
		}
	}
	for path, all := range e.files {
		e.checkCapacity(path, all, find)
	}
	return n
}

func (e *evidence) checkOutcome(s *submission, n *tally, find finder) {
	starts := e.starts[s.id]
	if !s.ran && len(starts) > 0 {
		find(s.id, "%s, and said that it did not run, but it started %d times", s.kind, len(starts))
	}
	if late := s.returned - s.deadline; late > 0 {
		n.latest = max(n.latest, late)
		late -= overlap(*s.lags, s.deadline-earlyMargin, s.returned)
		n.lateness = max(n.lateness, late)
		if late > lateMargin {
			find(s.id, "%s, %v after its deadline, of which %v was not the machine's", s.kind, s.returned-s.deadline, late)
		}
	}
	mustRun := false
	switch s.kind {
	case kindOK:
		mustRun = true
	case kindJob:
		mustRun = !e.checkJobError(s, find)
	case kindTimedOutRun, kindTimedOutWait:
		if (s.wait == 0 || s.kind == kindTimedOutRun) && s.returned < s.deadline-earlyMargin {
			find(s.id, "%s %v before its deadline", s.kind, s.deadline-s.returned)
		}
	case kindCancelled:
		if s.cancel == 0 || s.returned < s.submitted+s.cancel {
			find(s.id, "cancelled, and nobody did")
		}
	case kindWorkerLost, kindMasterLost, kindBusy, kindClosed:
	case kindNoWorker:
	default:
		find(s.id, "%s: %s", s.kind, s.text)
	}
	switch {
	case (s.kind == kindTimedOutRun || s.kind == kindWorkerLost || s.kind == kindJob) && !s.ran:
		find(s.id, "%s, and said that it did not run", s.kind)
	case (s.kind == kindBusy || s.kind == kindTimedOutWait || s.kind == kindNoWorker) && s.ran && s.retries == 0:
		find(s.id, "%s, and said that it may have run", s.kind)
	}
	if !mustRun {
		return
	}
	finished := 0
	for _, x := range starts {
		if x.ended == 'E' && x.end <= s.returned {
			finished++
		}
	}
	if finished == 0 {
		find(s.id, "%s, but no worker had finished it", s.kind)
	}
}

// checkJobError wants the text that the handler gave, and reports whether that
// was that it gave up: a handler sees the end of its time a moment before its
// caller's deadline, and its answer may be faster than the master's verdict.
func (e *evidence) checkJobError(s *submission, find finder) (gaveUp bool) {
	for _, x := range e.starts[s.id] {
		if x.ended == 'C' && x.end <= s.returned && s.returned > s.deadline-earlyMargin && s.text == quoted(cancellation(s.id)) {
			return true
		}
	}
	if s.mode != modeFail || s.text != quoted(failure(s.id)) {
		find(s.id, "a job error that no handler gave: %s", s.text)
	}
	return false
}

// quoted is a text as the records have it.
func quoted(text string) string { return strconv.Quote(strings.ReplaceAll(text, " ", "_")) }

func (e *evidence) checkStarts(s *submission, n *tally, find finder) {
	starts := e.starts[s.id]
	n.starts += len(starts)
	if len(starts) > 1 {
		n.again += len(starts) - 1
	}
	// A master may lose a worker with the job before it is lost itself, and its
	// runner, which cannot know, takes off one for each master. No master gives a
	// job to a third worker.
	if allowed := 1 + 2*s.retries; len(starts) > allowed {
		find(s.id, "started %d times, allowed were %d", len(starts), allowed)
	}
	for _, x := range starts {
		late := x.at - s.deadline
		if x.at < s.submitted {
			find(s.id, "started before it was submitted")
		}
		if late <= 0 {
			continue
		}
		n.startLate++
		n.startLatest = max(n.startLatest, late)
		excuse := append(append(append(append([]span(nil), e.troubles...), *s.lags...), e.runnerTroubles[s.runner]...), e.workerTroubles[x.worker]...)
		slices.SortFunc(excuse, func(a, b span) int { return cmp.Compare(a.from, b.from) })
		late -= overlap(excuse, s.submitted, x.at)
		n.startLateness = max(n.startLateness, late)
		if late > startMargin {
			find(s.id, "started %v after its deadline, of which %v cannot be explained", x.at-s.deadline, late)
		}
		if s.answered && !s.ran {
			find(s.id, "started although its caller was told that it did not")
		}
	}
}

// checkCapacity looks whether a worker ran more jobs at once than it said.
func (e *evidence) checkCapacity(path string, all []start, find finder) {
	type change struct {
		at time.Duration
		by int
	}
	var changes []change
	for _, x := range all {
		changes = append(changes, change{x.at, 1})
		if x.ended != 0 {
			changes = append(changes, change{x.end, -1})
		}
	}
	slices.SortStableFunc(changes, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.by, b.by))
	})
	running := 0
	for i, c := range changes {
		running += c.by
		if running > capacities[all[0].worker] {
			find("", "%s: %d jobs at once, after %d lines", filepath.Base(path), running, i)
			return
		}
	}
}
