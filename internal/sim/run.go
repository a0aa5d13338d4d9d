// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"hash/crc32"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/powerhose/powerhose/protocol"
)

// Failure is a promise that was not kept.
type Failure struct {
	Seed uint64
	Cuts Cuts
	At   time.Duration
	Text string
	// Trace is what happened before, as far as it may have to do with it.
	Trace []string

	options Options
}

func (f *Failure) Error() string {
	return fmt.Sprintf("seed %d%s, after %v: %s", f.Seed, f.Cuts.String(), f.At, f.Text)
}

// Result is what came of a run.
type Result struct {
	Stats
	// Digest is different if anything was: every message, and when it arrived.
	Digest  uint32
	Failure *Failure // nil if all promises were kept
}

// Options of a run.
type Options struct {
	// Cuts leaves out parts of the script.
	Cuts Cuts
	// Trace, if set, gets everything that happens; if OnlyJob is set, only what
	// is about Job.
	Trace   io.Writer
	OnlyJob bool
	Job     uint64
	// keep collects what happens for the Failure.
	keep bool
	// sabotage has workers start jobs although their ledgers are closed, so that a
	// test has a failure to look at.
	sabotage bool
}

// traceLines is how much of a trace a Failure has.
const traceLines = 60

// Run plays a seed. If it fails, it is played once more to tell how it came
// about.
func Run(seed uint64, o Options) Result {
	res := play(seed, o)
	if res.Failure != nil && o.Trace == nil && !o.keep {
		o.keep = true
		again := play(seed, o)
		if again.Failure == nil || again.Failure.Text != res.Failure.Text {
			res.Failure.Text += " (and it is not the same a second time)"
			return res
		}
		return again
	}
	return res
}

func play(seed uint64, o Options) (res Result) {
	w := &world{script: Draw(seed), sabotage: o.sabotage, files: map[string]*ledgerFile{}}
	w.net = network{w: w, listeners: map[string]*router{}}
	w.script.cut(o.Cuts)
	if o.Trace != nil || o.keep {
		w.trace = &tracer{to: o.Trace, only: o.OnlyJob, job: o.Job}
	}
	defer func() {
		w.stats.Seeds, w.stats.Time = 1, w.now
		res.Stats, res.Digest = w.stats, crc32.Update(w.digest, castagnoli, fmt.Append(nil, w.now, w.stats))
		if r := recover(); r != nil {
			res.Failure = w.failure(r)
			res.Failure.Cuts, res.Failure.options = o.Cuts, o
		}
	}()
	w.build()
	w.runUntil(w.script.Duration)
	w.calm()
	w.settle()
	w.prove()
	w.leave()
	return res
}

// failure describes what ended a run.
func (w *world) failure(r any) *Failure {
	f := &Failure{Seed: w.script.Seed, At: w.now}
	var about *job
	if b, ok := r.(*broken); ok {
		about, f.Text = b.job, b.text
		if about != nil {
			f.Text = about.String() + ": " + b.text
		}
	} else {
		f.Text = fmt.Sprintf("panic: %v\n%s", r, debug.Stack())
	}
	if w.trace != nil {
		f.Trace = w.trace.about(about, traceLines)
	}
	return f
}

// build makes all places and faults.
func (w *world) build() {
	sc := w.script
	var calling []*place
	for i := range max(sc.Masters, 1) {
		if sc.Masters == 0 {
			pl := w.newPlace(appPlace, 0, 0)
			calling = append(calling, pl)
		} else {
			w.newPlace(masterPlace, i, i%sc.Hosts)
		}
	}
	for i, spec := range sc.Runners {
		if sc.Masters > 0 {
			calling = append(calling, w.newPlace(runnerPlace, i, spec.Host))
		}
	}
	for i := range sc.Workers {
		w.newPlace(workerPlace, i, sc.Workers[i].Host).worker = &sc.Workers[i]
	}
	for i, pl := range calling {
		for n := range sc.Runners[i].Callers {
			c := &caller{w: w, place: pl, load: &sc.Load}
			c.rng = stream(sc.Seed, fmt.Sprint("caller ", i, " ", n))
			pl.callers = append(pl.callers, c)
		}
	}
	for i, pl := range w.places {
		if sc.present.leavesOut(pl.name()) {
			pl.closed = true
		}
		at := time.Duration(i) * 10 * time.Microsecond
		if sc.Kind == Chaos {
			at = pl.rng.between(0, 50*time.Millisecond)
		}
		w.at(at, pl, 0)
	}
	for i := range sc.Faults {
		if sc.present.leavesOut(fmt.Sprint("fault", i)) {
			continue
		}
		f := &fault{Fault: &sc.Faults[i], w: w, place: w.places[sc.Faults[i].Place]}
		w.at(f.At, f, faultBegins)
	}
}

// mostSettling is how long everything may take to be in order after the last
// fault: a worker that hangs is noticed after the deadline and the grace, and
// ends after its patience; a job may have a long deadline.
const mostSettling = 90 * time.Second

// settle waits until everything is in order.
func (w *world) settle() {
	end := w.now + mostSettling
	// Who stood still may not have noticed yet what the others made of it.
	d := w.script.Hub.Dispatch
	w.runUntil(w.now + d.Heartbeat*time.Duration(d.Liveness+1))
	for {
		why := w.unsettled()
		if why == "" {
			return
		}
		if w.now >= end {
			w.fail(nil, "it does not settle: %s", why)
		}
		w.runUntil(w.now + 20*time.Millisecond)
	}
}

// unsettled tells what is not in order yet; "" if everything is.
func (w *world) unsettled() string {
	for _, pl := range w.places {
		if pl.closed {
			continue
		}
		if !pl.alive() {
			return pl.name() + " is not there"
		}
		for _, c := range pl.callers {
			if c.job != nil {
				return pl.name() + " waits for " + c.job.String()
			}
		}
		switch b := pl.p.body.(type) {
		case *bare:
			m := w.masterOf(b.place)
			if m != nil && (!b.ready || b.dealer.conn == nil || !m.hub.HasWorker(b.dealer.conn.id) || b.run != nil) {
				return pl.name() + " is not registered, or busy"
			}
		case *worker:
			m := w.masterOf(b.place)
			if m != nil && (!b.registered || b.dealer.conn == nil || !m.hub.HasWorker(b.dealer.conn.id) || b.session.Running() > 0) {
				return pl.name() + " is not registered, or busy"
			}
		case *runner:
			if w.anyMaster() && b.session.Target() != w.firstMaster() {
				return pl.name() + " has no master, or not the first"
			}
			if l := b.stranger(); l != nil {
				return fmt.Sprintf("%s is not registered at master%d", pl.name(), l.index)
			}
		case *master:
			s := b.hub.Stats()
			if s.Waiting+s.Running+s.Abandoned > 0 || s.Draining {
				return fmt.Sprintf("%s has jobs: %d wait, %d run, %d are abandoned", pl.name(), s.Waiting, s.Running, s.Abandoned)
			}
			seenWorkers, seenRunners := b.hub.Peers()
			if workers, runners := w.peersOf(pl); seenWorkers != workers || seenRunners != runners {
				return fmt.Sprintf("%s knows %d workers and %d runners, there are %d and %d", pl.name(),
					seenWorkers, seenRunners, workers, runners)
			}
		}
	}
	return ""
}

// peersOf counts who is to be registered at a master.
func (w *world) peersOf(master *place) (workers, runners int) {
	for _, pl := range w.places {
		switch {
		case pl.closed:
		case pl.kind == workerPlace && pl.worker.Master == master.index:
			workers++
		case pl.kind == runnerPlace:
			runners++
		}
	}
	return workers, runners
}

func (w *world) masterOf(k *place) *master {
	if pl := w.places[k.worker.Master]; pl.alive() {
		return pl.p.body.(*master)
	}
	return nil
}

func (w *world) firstMaster() int {
	for i, pl := range w.places[:max(w.script.Masters, 1)] {
		if !pl.closed {
			return i
		}
	}
	return -1
}

func (w *world) anyMaster() bool { return w.firstMaster() >= 0 }

// prove has a job of each service done for each runner: a healthy system works.
func (w *world) prove() {
	first := w.firstMaster()
	for i := range w.script.Services {
		sv := &w.script.Services[i]
		for _, pl := range w.places {
			if len(pl.callers) > 0 && !pl.closed && first >= 0 && w.offered(first, sv.Name) {
				w.proveOne(pl, sv.Name)
			}
		}
	}
}

// proveOne has one job done. The waiting room may still be full of jobs that
// were on their way when their callers gave up: then it has to be tried again.
func (w *world) proveOne(pl *place, service string) {
	for end := w.now + 2*time.Second; ; {
		j := &job{
			n: uint64(len(w.jobs)), caller: pl.callers[0], service: service, size: 100,
			wait: protocol.WaitForever, run: 100 * time.Microsecond, deadline: pl.p.now() + 10*time.Second,
		}
		w.jobs = append(w.jobs, j)
		w.stats.Jobs++
		j.caller.submit(j)
		ok, busy := w.stats.Outcomes[protocol.OutcomeOK], w.stats.Outcomes[protocol.OutcomeBusy]
		for !j.answered && w.now < end {
			w.runUntil(w.now + time.Millisecond)
		}
		if w.stats.Outcomes[protocol.OutcomeOK] == ok+1 {
			return
		}
		if w.stats.Outcomes[protocol.OutcomeBusy] == busy {
			w.fail(j, "it was not done in a healthy system")
		}
	}
}

// offered tells whether there is a worker for a service.
func (w *world) offered(master int, service string) bool {
	return slices.ContainsFunc(w.places, func(pl *place) bool {
		return pl.kind == workerPlace && !pl.closed && pl.worker.Master == master && slices.Contains(pl.worker.Services, service)
	})
}

// leave ends everything in order: then nothing may be left.
func (w *world) leave() {
	if w.script.Kind == Calm {
		for _, pl := range w.places {
			if m, ok := pl.p.body.(*master); ok && pl.alive() {
				if s := m.hub.Stats(); s.Evicted+s.WorkersLost+s.Redispatched+s.Retried+s.Ignored > 0 {
					w.fail(nil, "nothing went wrong, and yet %+v", s.Counters)
				}
			}
		}
	}
	for _, pl := range w.places {
		pl.closed = true
	}
	w.each(runnerPlace, func(pl *place) { pl.p.body.(*runner).close() })
	w.runUntil(w.now + 100*time.Millisecond)
	w.each(workerPlace, func(pl *place) { pl.p.body.(interface{ drain(time.Duration) }).drain(0) })
	w.runUntil(w.now + time.Second)
	for _, pl := range w.places {
		if pl.kind == workerPlace && pl.alive() && w.anyMaster() {
			w.fail(nil, "%s was told to stop and has not", pl.name())
		}
	}
	leaveMaster := func(pl *place) {
		m := pl.p.body.(*master)
		if err := m.left(); err != nil {
			w.fail(nil, "nobody is there any more, and %s still has %v", pl.name(), err)
		}
		m.drain(time.Second)
	}
	w.each(masterPlace, leaveMaster)
	w.each(appPlace, leaveMaster)
	w.runUntil(w.now + time.Second)
	for _, pl := range w.places {
		if pl.alive() && pl.kind != workerPlace {
			w.fail(nil, "%s was told to stop and has not", pl.name())
		}
	}
	if len(w.net.conns)+len(w.files) > 0 && w.anyMaster() {
		w.fail(nil, "%d connections and %d ledgers are left", len(w.net.conns), len(w.files))
	}
}

func (w *world) each(kind placeKind, f func(*place)) {
	for _, pl := range w.places {
		if pl.kind == kind && pl.alive() {
			f(pl)
		}
	}
}

// Cuts is what is left out of a script, to find out what matters.
type Cuts struct {
	// Places by name, such as "worker3", and faults by number, such as "fault7".
	Without []string
	// Until ends the work early; 0 for as long as the script says.
	Until time.Duration
}

// String returns the flags that mean the same.
func (c Cuts) String() string {
	out := ""
	if len(c.Without) > 0 {
		out += " -without " + strings.Join(c.Without, ",")
	}
	if c.Until > 0 {
		out += fmt.Sprintf(" -until %v", c.Until)
	}
	return out
}

func (c Cuts) leavesOut(name string) bool { return slices.Contains(c.Without, name) }

// cut leaves out what is to be left out.
func (s *Script) cut(c Cuts) {
	s.present = c
	if c.Until > 0 {
		s.Duration = min(s.Duration, c.Until)
	}
}
