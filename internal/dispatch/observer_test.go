// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/stretchr/testify/require"
)

// observer watches a Core from the outside: it sees the events and the actions,
// and complains when an action breaks a promise. It is written to be obviously
// right, not fast: it keeps every submission for ever and looks through all of
// them for every question. It knows nothing of estimates, so it cannot tell when
// a job should have been refused as impossible; the scenarios do.
type observer struct {
	t   require.TestingT
	cfg Config
	now Time

	subs     []*submission
	workers  map[WorkerID]*seenWorker
	runners  map[RunnerID]*seenRunner
	attempts map[string]bool // every job and attempt ever assigned
	clock    int             // counts the moments at which workers became idle

	drainBy  Time // Never while not draining
	drained  bool
	answered *submission // what the result of this step answers
	lost     []*submission
}

// submission is what a runner asked for. Its index in subs is its payload, its
// Ref and its order of arrival.
type submission struct {
	ref     int
	ev      Event
	replied bool
	since   Time        // of the reply
	on      *seenWorker // who has it now
	job     JobID
	attempt uint32
	runs    int // ended attempts that may have started
	returns int // how often it came back unstarted
}

func (s *submission) startBy() Time {
	if s.attempt > 0 {
		return s.ev.Deadline
	}
	return min(s.ev.StartBy, s.ev.Deadline)
}

type holding struct {
	sub     *submission
	job     JobID
	attempt uint32
	seq     int
	front   Time // since when it may be running; Never while others are before it
}

type seenWorker struct {
	ev        Event
	draining  bool
	evicted   bool
	held      []holding
	assigned  int
	finished  int // the highest seq with a result
	idleSince int
	lastSeen  Time
}

func (w *seenWorker) ready() bool { return !w.draining && !w.evicted }

func (w *seenWorker) offers(service string) bool {
	return slices.Contains(w.ev.Services, service) || (len(w.ev.Services) == 0 && service == "")
}

func (w *seenWorker) find(job JobID, attempt uint32) int {
	return slices.IndexFunc(w.held, func(h holding) bool { return h.job == job && h.attempt == attempt })
}

type seenRunner struct {
	local    bool
	lastSeen Time
}

func newObserver(t require.TestingT, cfg Config) *observer {
	return &observer{
		t: t, cfg: cfg.WithDefaults(), drainBy: Never,
		workers: map[WorkerID]*seenWorker{}, runners: map[RunnerID]*seenRunner{}, attempts: map[string]bool{},
	}
}

// prepare makes the next submission from ev, so that it can be recognised.
func (o *observer) prepare(ev *Event) {
	ref := len(o.subs)
	ev.Ref, ev.Payload, ev.Headers = ref, []byte(strconv.Itoa(ref)), []byte{byte(ref)}
}

// see checks one step: the event, then the actions in their order, then what
// must hold afterwards.
func (o *observer) see(now Time, ev Event, actions []Action) {
	o.now, o.answered, o.lost = now, nil, nil
	o.before(ev)
	for i, a := range actions {
		o.action(ev, actions[:i], a)
	}
	o.after(ev)
}

// idle notes that w has nothing left, now.
func (o *observer) idle(w *seenWorker) {
	if len(w.held) == 0 {
		o.clock++
		w.idleSince = o.clock
	}
}

func (o *observer) before(ev Event) {
	w, r := o.workers[ev.Worker], o.runners[ev.Runner]
	if r != nil && ev.Kind != EventRunnerDown {
		r.lastSeen = o.now
	}
	switch ev.Kind {
	case EventWorkerUp:
		if w == nil {
			ev.Capacity = max(ev.Capacity, 1)
			w = &seenWorker{ev: ev, lastSeen: o.now}
			o.workers[ev.Worker] = w
			o.idle(w)
		}
	case EventWorkerDown:
		if w != nil {
			o.down(w, ev.Started)
		}
	case EventWorkerBeat, EventWorkerDrain:
		if w != nil {
			w.lastSeen = o.now
			w.draining = w.draining || (ev.Kind == EventWorkerDrain && !w.evicted)
		}
	case EventResult, EventReturned:
		if w != nil {
			w.lastSeen = o.now
			o.answer(w, ev)
		}
	case EventRunnerUp:
		if r == nil {
			o.runners[ev.Runner] = &seenRunner{local: ev.Local, lastSeen: o.now}
		}
	case EventSubmit:
		o.subs = append(o.subs, &submission{ref: len(o.subs), ev: ev})
	case EventDrain:
		if o.drainBy == Never { // a second drain changes nothing
			o.drainBy = max(ev.Deadline, o.now)
		}
	case EventTick, EventRunnerDown, EventRunnerBeat, EventCancel:
	}
}

func (o *observer) down(w *seenWorker, started int64) {
	for _, h := range w.held {
		h.sub.on = nil
		if started == StartedUnknown || int64(h.seq) <= started {
			h.sub.runs++
			o.lost = append(o.lost, h.sub)
		}
	}
	delete(o.workers, w.ev.Worker)
}

func (o *observer) answer(w *seenWorker, ev Event) {
	i := w.find(ev.Job, ev.Attempt)
	if i < 0 {
		return
	}
	h := w.held[i]
	w.held = slices.Delete(w.held, i, i+1)
	h.sub.on = nil
	o.idle(w)
	if ev.Kind == EventResult {
		w.finished = max(w.finished, h.seq)
		h.sub.runs++
		if !h.sub.replied {
			o.answered = h.sub
		}
	} else {
		h.sub.returns++
	}
}

func (o *observer) action(ev Event, earlier []Action, a Action) {
	switch a.Kind {
	case ActionAssign:
		o.assign(ev, a)
	case ActionReply:
		o.reply(ev, earlier, a)
	case ActionCancel:
		h := o.holding(a)
		require.True(o.t, h.sub.replied, "cancelled although its caller waits")
		last := earlier[len(earlier)-1]
		require.True(o.t, last.Kind == ActionReply && last.Ref == h.sub.ref, "cancelled without a reply just before")
	case ActionRecall:
		h := o.holding(a)
		require.False(o.t, h.sub.replied, "recalled although nobody waits")
		w := o.workers[a.Worker]
		require.GreaterOrEqual(o.t, slices.Index(w.held, h), w.ev.Capacity, "recalled although it may be running")
		require.True(o.t, o.anyReady(h.sub.ev.Service, func(w *seenWorker) bool { return len(w.held) == 0 }),
			"recalled although nobody is idle")
	case ActionPing:
		w := o.workers[a.Worker]
		require.True(o.t, w != nil && !w.evicted && len(w.held) > 0, "ping of a worker that is not busy")
	case ActionBye:
		w := o.workers[a.Worker]
		require.True(o.t, w != nil && w.draining && !w.evicted && len(w.held) == 0, "bye to a worker that is not drained")
		delete(o.workers, a.Worker)
	case ActionEvict:
		o.evict(a)
	case ActionDropRunner:
		r := o.runners[a.Runner]
		require.True(o.t, r != nil && !r.local && o.now >= r.lastSeen.Add(o.cfg.silence()), "dropped a runner that is there")
		delete(o.runners, a.Runner)
	case ActionDrained:
		require.True(o.t, o.drainBy < Never && !o.drained, "drained without a drain, or twice")
		o.drained = true
		for _, s := range o.subs {
			require.True(o.t, s.replied, "drained while the caller of %d waits", s.ref)
		}
	default:
		require.Fail(o.t, "unknown action", "%v", a)
	}
}

// holding returns what the worker of an action holds, which must exist.
func (o *observer) holding(a Action) holding {
	w := o.workers[a.Worker]
	require.NotNil(o.t, w, "action %v for a worker that is gone", a)
	i := w.find(a.Job, a.Attempt)
	require.GreaterOrEqual(o.t, i, 0, "action %v for a job that the worker has not", a)
	return w.held[i]
}

func (o *observer) anyReady(service string, is func(*seenWorker) bool) bool {
	for _, w := range o.workers {
		if w.ready() && w.offers(service) && is(w) {
			return true
		}
	}
	return false
}

func (o *observer) assign(ev Event, a Action) {
	ref, err := strconv.Atoi(string(a.Payload))
	require.NoError(o.t, err)
	s, w := o.subs[ref], o.workers[a.Worker]
	require.True(o.t, w != nil && w.ready() && w.offers(s.ev.Service), "assigned to a worker that cannot run it")
	require.Equal(o.t, s.ev.Service, a.Service)
	require.Equal(o.t, s.ev.Headers, a.Headers)
	require.Equal(o.t, s.ev.Deadline, a.Deadline)
	require.False(o.t, s.replied, "%d assigned although it is over", ref)
	require.Nil(o.t, s.on, "%d assigned twice at once", ref)
	require.Less(o.t, o.now, s.ev.Deadline, "%d assigned after its deadline", ref)
	require.LessOrEqual(o.t, s.runs, int(s.ev.Retries), "%d may run more often than allowed", ref)
	require.Less(o.t, s.runs, o.cfg.MaxKills, "%d assigned although it killed enough", ref)

	name := fmt.Sprint(a.Job, a.Attempt)
	require.False(o.t, o.attempts[name], "job %x attempt %d assigned before", a.Job, a.Attempt)
	require.True(o.t, s.attempt == 0 || (s.job == a.Job && a.Attempt > s.attempt), "%d got another id", ref)
	o.attempts[name] = true
	o.choice(ev, s, w)

	w.assigned++
	w.held = append(w.held, holding{s, a.Job, a.Attempt, w.assigned, Never})
	s.on, s.job, s.attempt = w, a.Job, a.Attempt
}

// choice checks that s was the job to start and w the worker to run it.
func (o *observer) choice(ev Event, s *submission, w *seenWorker) {
	n, room := len(w.held), len(w.held) < w.ev.Capacity
	require.Less(o.t, n, w.ev.Capacity+w.ev.Prefetch, "worker %d has too much", w.ev.Worker)
	if ev.Kind == EventSubmit && ev.StartBy <= o.now {
		require.True(o.t, room, "%d was to start at once and has to wait", s.ref)
	}
	for id, v := range o.workers {
		if v == w || !v.ready() || !v.offers(s.ev.Service) {
			continue
		}
		require.True(o.t, room || len(v.held) >= v.ev.Capacity, "prefetched by %d although %d has room", w.ev.Worker, id)
		if len(v.held) == 0 {
			require.Zero(o.t, n, "worker %d is busy and %d is idle", w.ev.Worker, id)
			require.Less(o.t, w.idleSince, v.idleSince, "worker %d was idle for longer than %d", id, w.ev.Worker)
		}
		if ev.Kind == EventSubmit && room {
			require.LessOrEqual(o.t, n*v.ev.Capacity, len(v.held)*w.ev.Capacity, "worker %d is less loaded than %d", id, w.ev.Worker)
		}
	}
	for _, older := range o.subs[:s.ref] {
		if older.replied || older.on != nil {
			continue
		}
		require.NotEqual(o.t, s.ev.Service, older.ev.Service, "%d overtook %d", s.ref, older.ref)
		require.False(o.t, room && w.offers(older.ev.Service), "worker %d took %d before %d", w.ev.Worker, s.ref, older.ref)
	}
}

func (o *observer) reply(ev Event, earlier []Action, a Action) {
	s := o.subs[a.Ref.(int)]
	require.False(o.t, s.replied, "%d answered twice", s.ref)
	require.True(o.t, a.Runner == s.ev.Runner && a.Tag == s.ev.Tag, "%d answered to somebody else", s.ref)
	mayHaveRun := s.on != nil || s.runs > 0
	require.Equal(o.t, mayHaveRun, a.MayHaveRun, "%d: %v: may it have run?", s.ref, a.Outcome)
	if a.Outcome == OutcomeBusy {
		require.True(o.t, minRetryAfter <= a.RetryAfter && a.RetryAfter <= maxRetryAfter, "retry after %v", a.RetryAfter)
	} else {
		require.Zero(o.t, a.RetryAfter)
	}
	isNew := ev.Kind == EventSubmit && s.ref == len(o.subs)-1
	known := o.runners[s.ev.Runner] != nil
	ok := false
	switch a.Outcome {
	case OutcomeOK, OutcomeJobError:
		ok = s == o.answered && ev.Failed == (a.Outcome == OutcomeJobError)
		require.Equal(o.t, ev.Payload, a.Payload)
	case OutcomeNoWorker:
		nobody := !o.anyReady(s.ev.Service, func(*seenWorker) bool { return true })
		ok = s.on == nil && (nobody || (ev.Kind == EventReturned && s.returns >= maxReturns))
	case OutcomeBusy:
		ok = known && s.on == nil && o.now < s.ev.Deadline && (!isNew || (o.drainBy == Never && s.attempt == 0))
	case OutcomeTimedOutWaiting:
		ok = s.on == nil && o.now >= s.startBy()
	case OutcomeTimedOutRunning:
		ok = s.on != nil && ev.Kind == EventTick && o.now >= s.ev.Deadline
	case OutcomeWorkerLost:
		ok = slices.Contains(o.lost, s) && (s.runs > int(s.ev.Retries) || s.runs >= o.cfg.MaxKills)
	case OutcomeCancelled:
		dropped := slices.ContainsFunc(earlier, func(e Action) bool { return e.Kind == ActionDropRunner && e.Runner == s.ev.Runner })
		ok = dropped || (ev.Runner == s.ev.Runner && (ev.Kind == EventRunnerDown || (ev.Kind == EventCancel && ev.Tag == s.ev.Tag)))
	case OutcomeRefused:
		ok = isNew && (!known || o.tagTaken(s))
	case OutcomeClosed:
		ok = o.drainBy < Never && (s.on == nil || (ev.Kind == EventTick && o.now >= o.drainBy))
	}
	require.True(o.t, ok, "%d: outcome %v of event %d makes no sense", s.ref, a.Outcome, ev.Kind)
	if ev.Kind == EventTick && (a.Outcome == OutcomeTimedOutWaiting || a.Outcome == OutcomeNoWorker) {
		require.GreaterOrEqual(o.t, o.now, s.startBy(), "%d could have waited longer", s.ref)
	}
	s.replied, s.since = true, o.now
}

func (o *observer) tagTaken(s *submission) bool {
	return slices.ContainsFunc(o.subs[:s.ref], func(e *submission) bool {
		return !e.replied && e.ev.Runner == s.ev.Runner && e.ev.Tag == s.ev.Tag
	})
}

func (o *observer) evict(a Action) {
	w := o.workers[a.Worker]
	require.True(o.t, w != nil && !w.evicted, "evicted twice")
	hangs := slices.ContainsFunc(w.held[:min(len(w.held), w.ev.Capacity)], func(h holding) bool {
		return h.sub.replied && o.now >= h.sub.ev.Deadline.Add(o.cfg.Grace)
	})
	silent := len(w.held) == 0 && o.now >= w.lastSeen.Add(o.cfg.silence())
	require.True(o.t, (a.Reason == ReasonHung && hangs) || (a.Reason == ReasonSilent && silent), "evicted as %v", a.Reason)
	require.Equal(o.t, a.Reason == ReasonHung, a.Kill)
	w.evicted = true
}

// after checks what must hold between two steps.
func (o *observer) after(ev Event) {
	if ev.Kind == EventRunnerDown {
		delete(o.runners, ev.Runner)
	}
	require.True(o.t, o.answered == nil || o.answered.replied, "a result was not delivered")
	if ev.Kind == EventSubmit {
		o.admitted(o.subs[len(o.subs)-1])
	}
	for _, s := range o.subs {
		if s.replied {
			continue
		}
		require.NotNil(o.t, o.runners[s.ev.Runner], "%d has no runner and no outcome", s.ref)
		require.False(o.t, ev.Kind == EventTick && o.now >= o.drainBy, "%d has no outcome at the end of the drain", s.ref)
		require.False(o.t, o.drained, "%d has no outcome after the drain", s.ref)
		if ev.Kind == EventTick {
			require.Less(o.t, o.now, s.ev.Deadline, "%d has no outcome at its deadline", s.ref)
			require.True(o.t, s.on != nil || o.now < s.startBy(), "%d waits after its time to start", s.ref)
		}
		if s.on == nil {
			require.True(o.t, o.drainBy == Never || s.attempt > 0, "%d waits although the master drains", s.ref)
			require.False(o.t, o.anyReady(s.ev.Service, func(w *seenWorker) bool { return len(w.held) < w.ev.Capacity }),
				"%d waits although a worker has room", s.ref)
		}
	}
	for id, w := range o.workers {
		o.progress(ev, w)
		require.False(o.t, w.draining && !w.evicted && len(w.held) == 0, "worker %d is drained and was not let go", id)
		if ev.Kind == EventTick && !w.evicted && len(w.held) == 0 {
			require.Less(o.t, o.now, w.lastSeen.Add(o.cfg.silence()), "worker %d is silent and was not evicted", id)
		}
	}
}

// admitted checks that a job which waits since this step was allowed to.
func (o *observer) admitted(s *submission) {
	if s.replied {
		return
	}
	require.False(o.t, o.tagTaken(s), "%d has the tag of another", s.ref)
	require.Equal(o.t, Never, o.drainBy, "%d was admitted by a master that drains", s.ref)
	if s.on != nil {
		return
	}
	waiting, size := 0, int64(0)
	for _, e := range o.subs {
		if !e.replied && e.on == nil {
			waiting++
			size += int64(len(e.ev.Payload) + len(e.ev.Headers))
		}
	}
	require.LessOrEqual(o.t, waiting, o.cfg.MaxWaiting)
	require.LessOrEqual(o.t, size, o.cfg.MaxWaitingBytes)
	require.Less(o.t, o.now, s.startBy(), "%d must not wait", s.ref)
}

// progress notes which jobs of w may be running, and checks that w was not
// given more time for them than the grace.
func (o *observer) progress(ev Event, w *seenWorker) {
	for i := range w.held[:min(len(w.held), w.ev.Capacity)] {
		h := &w.held[i]
		h.front = min(h.front, o.now)
		if ev.Kind == EventTick && h.sub.replied && !w.evicted {
			end := max(h.sub.ev.Deadline, h.sub.since, h.front).Add(o.cfg.Grace)
			require.True(o.t, o.now < end || end == Never, "worker %d hangs and was not evicted", w.ev.Worker)
		}
	}
}

// counts returns how many submissions wait and run, without an outcome yet,
// and how many workers hold although they have one.
func (o *observer) counts() (waiting, running, abandoned int) {
	for _, s := range o.subs {
		switch {
		case s.replied:
		case s.on == nil:
			waiting++
		default:
			running++
		}
	}
	for _, w := range o.workers {
		for _, h := range w.held {
			if h.sub.replied {
				abandoned++
			}
		}
	}
	return waiting, running, abandoned
}

// due is the earliest moment at which somebody must be told something.
func (o *observer) due() Time {
	t := o.drainBy
	if o.drained {
		t = Never
	}
	for _, s := range o.subs {
		if !s.replied {
			t = min(t, s.ev.Deadline)
			if s.on == nil {
				t = min(t, s.startBy())
			}
		}
	}
	return t
}
