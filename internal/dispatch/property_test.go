// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestRandomEventsKeepAllPromises lets runners and workers do whatever they can,
// in any order. After every event the core must be consistent (check) and what
// it did must be right as seen from outside (observer). Then the faults stop,
// and everything must come to an end.
//
// More of it: go test -run RandomEvents -rapid.checks=10000
func TestRandomEventsKeepAllPromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := newDriver(t)
		for range rapid.IntRange(20, 250).Draw(t, "events") {
			d.random()
		}
		d.settle()
		d.replay()
	})
}

// driver makes events that could happen, and some that should not.
type driver struct {
	t    *rapid.T
	cfg  Config
	core *Core
	seen *observer
	now  Time

	services []string
	runs     []time.Duration
	storm    int        // how much more often workers are lost
	workers  []WorkerID // that were not told to have gone, in order
	runners  []RunnerID
	nextID   uint64
	given    []Action // every assignment ever

	trace []traced
}

// traced is one step that was taken.
type traced struct {
	now     Time
	ev      Event
	actions []Action
}

// pick draws one of from. It draws the index, since rapid prints all it draws.
func pick[T any](t *rapid.T, label string, from ...T) T {
	return from[rapid.IntRange(0, len(from)-1).Draw(t, label)]
}

func newDriver(t *rapid.T) *driver {
	d := &driver{t: t, services: []string{"", "a", "b"}[:rapid.IntRange(1, 3).Draw(t, "services")]}
	d.cfg = Config{
		Heartbeat:       pick(t, "heartbeat", time.Second, 50*time.Millisecond),
		Liveness:        pick(t, "liveness", 2, 3),
		Grace:           pick(t, "grace", time.Second, 10*time.Millisecond),
		MaxWaiting:      pick(t, "max waiting", 100, 3),
		MaxWaitingBytes: pick[int64](t, "max bytes", 10000, 20),
		MaxKills:        pick(t, "max kills", 2, 1, 3),
	}
	// Mostly quick jobs make the core prefetch, mostly slow ones make it refuse.
	d.runs = pick(t, "run times",
		[]time.Duration{10 * time.Microsecond},
		[]time.Duration{10 * time.Microsecond, 0, 300 * time.Microsecond, 20 * time.Millisecond},
		[]time.Duration{0, 50 * time.Millisecond, 500 * time.Millisecond})
	d.storm = pick(t, "storm", 0, 0, 8)
	d.core, d.seen = New(d.cfg), newObserver(t, d.cfg)
	return d
}

func (d *driver) step(ev Event) {
	if ev.Kind == EventSubmit {
		d.seen.prepare(&ev)
	}
	d.t.Logf("%v: event %d worker=%d runner=%d job=%x attempt=%d tag=%d", time.Duration(d.now), ev.Kind, ev.Worker, ev.Runner, ev.Job, ev.Attempt, ev.Tag)
	actions := d.core.Step(d.now, &ev, nil)
	d.trace = append(d.trace, traced{d.now, ev, actions})
	for _, a := range actions {
		if a.Kind == ActionAssign {
			d.given = append(d.given, a)
		}
	}
	check(d.t, d.core)
	d.seen.see(d.now, ev, actions)

	s := d.core.Stats()
	waiting, running, abandoned := d.seen.counts()
	require.Equal(d.t, [3]int{waiting, running, abandoned}, [3]int{s.Waiting, s.Running, s.Abandoned})
	require.LessOrEqual(d.t, d.core.NextDeadline(), d.seen.due(), "it would oversleep")
	d.workers = slices.DeleteFunc(d.workers, func(id WorkerID) bool { return d.seen.workers[id] == nil })
	d.runners = slices.DeleteFunc(d.runners, func(id RunnerID) bool { return d.seen.runners[id] == nil })
}

func (d *driver) random() {
	ops := []struct {
		often int
		do    func()
	}{
		{8, d.submit},
		{2, d.burst},
		{8, d.result},
		{2, d.results},
		{3, d.wait},
		{2 + d.storm, d.workerUp},
		{1 + d.storm, d.workerDown},
		{1, d.workerDrain},
		{1, d.workerBeat},
		{2, d.returned},
		{1, d.forged},
		{1, d.runnerUp},
		{1, d.runnerDown},
		{1, d.cancel},
		{1, d.nonsense},
	}
	n := 0
	for _, op := range ops {
		n += op.often
	}
	n = rapid.IntRange(0, n-1).Draw(d.t, "op")
	for _, op := range ops {
		if n -= op.often; n < 0 {
			op.do()
			return
		}
	}
}

func (d *driver) id() uint64 {
	d.nextID++
	return d.nextID
}

func (d *driver) submit() {
	if len(d.runners) == 0 {
		d.runnerUp()
	}
	timeout := pick(d.t, "timeout", 5*time.Second, time.Second, 100*time.Millisecond, 3*time.Millisecond,
		time.Duration(Never), 0)
	d.step(Event{
		Kind: EventSubmit, Runner: pick(d.t, "runner", d.runners...),
		Tag:      uint64(rapid.IntRange(0, 40).Draw(d.t, "tag")),
		Service:  pick(d.t, "service", d.services...),
		Deadline: d.now.Add(timeout),
		StartBy:  d.now.Add(pick(d.t, "start by", timeout, time.Minute, timeout/2, 0)),
		Retries:  pick[uint8](d.t, "retries", 0, 0, 1, 3),
	})
}

// burst submits several jobs of a service that may wait.
func (d *driver) burst() {
	if len(d.runners) == 0 {
		d.runnerUp()
	}
	service, runner := pick(d.t, "service", d.services...), pick(d.t, "runner", d.runners...)
	for range rapid.IntRange(2, 16).Draw(d.t, "jobs") {
		d.step(Event{
			Kind: EventSubmit, Runner: runner, Tag: 1000 + d.id(), Service: service,
			Deadline: d.now.Add(time.Second), StartBy: d.now.Add(time.Second),
		})
	}
}

// results lets a worker finish several jobs, one after the other.
func (d *driver) results() {
	if w := d.busy(); w != nil {
		for range rapid.IntRange(2, 16).Draw(d.t, "results") {
			if len(w.held) > 0 {
				d.finish(w, w.held[0])
			}
		}
	}
}

// busy returns a worker that holds something, or nil.
func (d *driver) busy() *seenWorker {
	var busy []*seenWorker
	for _, id := range d.workers {
		if w := d.seen.workers[id]; len(w.held) > 0 {
			busy = append(busy, w)
		}
	}
	if len(busy) == 0 {
		return nil
	}
	return pick(d.t, "busy worker", busy...)
}

func (d *driver) result() {
	w := d.busy()
	if w == nil {
		d.submit()
		return
	}
	// Jobs are started in their order, as many as the capacity: any of these
	// may be done.
	d.finish(w, pick(d.t, "job", w.held[:min(w.ev.Capacity, len(w.held))]...))
}

func (d *driver) finish(w *seenWorker, h holding) {
	d.step(Event{
		Kind: EventResult, Worker: w.ev.Worker, Job: h.job, Attempt: h.attempt,
		Failed: rapid.IntRange(0, 9).Draw(d.t, "failed") == 0,
		Run:    pick(d.t, "run", d.runs...), Payload: []byte("answer"),
	})
}

func (d *driver) returned() {
	w := d.busy()
	if w == nil {
		return
	}
	h := pick(d.t, "job", w.held...)
	d.step(Event{Kind: EventReturned, Worker: w.ev.Worker, Job: h.job, Attempt: h.attempt})
}

// forged sends an answer that is late, or wrong in some way. It may be right by
// chance.
func (d *driver) forged() {
	if len(d.given) == 0 || len(d.workers) == 0 {
		return
	}
	a := pick(d.t, "assignment", d.given...)
	d.step(Event{
		Kind:   pick(d.t, "forged", EventResult, EventReturned),
		Worker: pick(d.t, "worker", a.Worker, pick(d.t, "other worker", d.workers...), 1000),
		Job:    a.Job + pick[JobID](d.t, "job", 0, 1, 1<<32),
		// Also the attempts before and after.
		Attempt: a.Attempt + uint32(rapid.IntRange(-1, 1).Draw(d.t, "attempt")),
		Payload: []byte("forged"),
	})
}

// wait lets time pass. A careful owner ticks whenever it should, a late one
// only at the end, a careless one has something else to do first.
func (d *driver) wait() {
	end := d.now.Add(pick(d.t, "wait", 10*time.Microsecond, time.Millisecond, 2*time.Millisecond,
		20*time.Millisecond, 200*time.Millisecond, time.Second, 4*time.Second))
	owner := pick(d.t, "owner", "careful", "careful", "late", "careless")
	for owner == "careful" && d.core.NextDeadline() <= end {
		d.now = max(d.now, d.core.NextDeadline())
		d.step(Event{Kind: EventTick})
		require.Greater(d.t, d.core.NextDeadline(), d.now, "a tick that does not help")
	}
	d.now = end
	if owner != "careless" {
		d.step(Event{Kind: EventTick})
	}
}

func (d *driver) workerUp() {
	id := WorkerID(d.id())
	d.workers = append(d.workers, id)
	d.step(Event{
		Kind: EventWorkerUp, Worker: id,
		Services: rapid.SliceOfNDistinct(rapid.SampledFrom(d.services), 0, len(d.services), rapid.ID).Draw(d.t, "services"),
		Capacity: pick(d.t, "capacity", 1, 1, 2, 4), Prefetch: pick(d.t, "prefetch", 0, 1, 4, 8),
	})
}

func (d *driver) workerDown() {
	if len(d.workers) == 0 {
		return
	}
	w := d.seen.workers[pick(d.t, "worker", d.workers...)]
	started := int64(rapid.IntRange(w.finished-1, w.assigned).Draw(d.t, "started"))
	if started < int64(w.finished) {
		started = StartedUnknown
	}
	d.step(Event{Kind: EventWorkerDown, Worker: w.ev.Worker, Started: started})
}

func (d *driver) workerDrain() {
	if len(d.workers) > 0 {
		d.step(Event{Kind: EventWorkerDrain, Worker: pick(d.t, "worker", d.workers...)})
	}
}

func (d *driver) workerBeat() {
	for _, id := range slices.Clone(d.workers) {
		d.step(Event{Kind: EventWorkerBeat, Worker: id})
	}
}

func (d *driver) runnerUp() {
	id := RunnerID(d.id())
	d.runners = append(d.runners, id)
	d.step(Event{Kind: EventRunnerUp, Runner: id, Local: rapid.Bool().Draw(d.t, "local")})
}

func (d *driver) runnerDown() {
	if len(d.runners) > 0 && rapid.Bool().Draw(d.t, "really") {
		d.step(Event{Kind: EventRunnerDown, Runner: pick(d.t, "runner", d.runners...)})
	}
}

func (d *driver) cancel() {
	var open []*submission
	for _, s := range d.seen.subs {
		if !s.replied {
			open = append(open, s)
		}
	}
	if len(open) > 0 {
		s := pick(d.t, "cancel", open...)
		d.step(Event{Kind: EventCancel, Runner: s.ev.Runner, Tag: s.ev.Tag})
	}
}

// nonsense names what does not exist, repeats what was said, or, rarely, drains
// the master, after which little is left to see.
func (d *driver) nonsense() {
	ev := Event{
		Kind:   pick(d.t, "nonsense", EventWorkerDown, EventWorkerBeat, EventWorkerDrain, EventRunnerDown, EventRunnerBeat, EventCancel, EventSubmit),
		Worker: 1000, Runner: 1000, Deadline: d.now.Add(time.Second), StartBy: d.now.Add(time.Second),
	}
	switch rapid.IntRange(0, 30).Draw(d.t, "which") {
	case 0:
		ev.Kind = EventDrain
	case 1, 2, 3:
		if len(d.workers) > 0 {
			ev.Kind, ev.Worker = EventWorkerUp, pick(d.t, "worker", d.workers...)
			ev.Capacity, ev.Prefetch = 100, 100
		}
	case 4, 5, 6:
		if len(d.runners) > 0 {
			ev.Kind, ev.Runner = EventRunnerUp, pick(d.t, "runner", d.runners...)
		}
	}
	d.step(ev)
}

// settle ends the faults: whoever is evicted goes, there is a worker for
// everything, and all workers answer. Then everything must end, and when all
// have left nothing may be kept.
func (d *driver) settle() {
	for _, id := range slices.Clone(d.workers) {
		if d.seen.workers[id].evicted {
			d.step(Event{Kind: EventWorkerDown, Worker: id, Started: StartedUnknown})
		}
	}
	d.workers = append(d.workers, 2000)
	d.step(Event{Kind: EventWorkerUp, Worker: 2000, Services: d.services, Capacity: 1})
	for {
		w := d.seen.workers[2000]
		for _, id := range d.workers {
			if v := d.seen.workers[id]; len(v.held) > 0 {
				w = v
			}
		}
		if len(w.held) == 0 {
			break
		}
		d.step(Event{Kind: EventResult, Worker: w.ev.Worker, Job: w.held[0].job, Attempt: w.held[0].attempt, Run: time.Microsecond})
	}
	for _, s := range d.seen.subs {
		require.True(d.t, s.replied, "%d has no outcome", s.ref)
	}
	s := d.core.Stats()
	require.Zero(d.t, s.Waiting+s.Running+s.Abandoned+int(s.WaitingBytes))
	answered := uint64(0)
	for _, n := range s.Outcomes {
		answered += n
	}
	require.Equal(d.t, []uint64{uint64(len(d.seen.subs)), answered}, []uint64{s.Submitted, answered})
	require.Equal(d.t, s.Submitted, answered)

	for _, id := range slices.Clone(d.workers) {
		d.step(Event{Kind: EventWorkerDrain, Worker: id})
	}
	for _, id := range slices.Clone(d.runners) {
		d.step(Event{Kind: EventRunnerDown, Runner: id})
	}
	s = d.core.Stats()
	require.Empty(d.t, s.Workers)
	require.Empty(d.t, s.Services)
	require.Zero(d.t, s.Runners+d.core.Workers()+d.core.Runners())
	require.Equal(d.t, Never, d.core.NextDeadline())
}

// replay does the same again: the actions must be the same, to the byte.
func (d *driver) replay() {
	again := New(d.cfg)
	for i, step := range d.trace {
		actions := again.Step(step.now, &step.ev, nil)
		require.Equal(d.t, step.actions, actions, "step %d was different", i)
	}
	require.Equal(d.t, d.core.Stats(), again.Stats())
}
