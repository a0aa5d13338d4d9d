// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"slices"
	"time"
)

// Core is the state of dispatching: which workers there are, which jobs wait
// and which run where. Use New. It is not safe for concurrent use: it belongs
// to one owner.
type Core struct {
	cfg Config
	now Time     // of the Step in progress
	out []Action // of the Step in progress

	jobs     slab
	runners  map[RunnerID]*runner
	workers  map[WorkerID]*worker
	services map[string]*service
	classes  map[string]*class
	// backlog is the services that have waiting jobs, in no order.
	backlog []*service
	timers  timers
	putOff  []*timer // empty but for onTick

	waiting      int
	waitingBytes int64
	arrivals     uint64
	turns        uint64

	draining bool
	drained  bool
	drain    timer

	counters Counters
}

// New returns an empty Core.
func New(cfg Config) *Core {
	return &Core{
		cfg:      cfg.WithDefaults(),
		runners:  map[RunnerID]*runner{},
		workers:  map[WorkerID]*worker{},
		services: map[string]*service{},
		classes:  map[string]*class{},
		drain:    timer{index: -1, kind: timerDrain},
	}
}

// Step applies one event at the time now and appends what must be done to out.
// now must not be earlier than in the Step before.
func (c *Core) Step(now Time, ev *Event, out []Action) []Action {
	c.now, c.out = max(now, c.now), out
	switch ev.Kind {
	case EventTick:
		c.onTick(ev.Unheard)
	case EventWorkerUp:
		c.onWorkerUp(ev)
	case EventWorkerDown:
		c.onWorkerDown(ev)
	case EventWorkerBeat:
		c.onWorkerBeat(ev)
	case EventWorkerDrain:
		c.onWorkerDrain(ev)
	case EventResult:
		c.onResult(ev)
	case EventReturned:
		c.onReturned(ev)
	case EventRunnerUp:
		c.onRunnerUp(ev)
	case EventRunnerDown:
		c.onRunnerDown(ev)
	case EventRunnerBeat:
		c.onRunnerBeat(ev)
	case EventSubmit:
		c.onSubmit(ev)
	case EventCancel:
		c.onCancel(ev)
	case EventDrain:
		c.onDrain(ev)
	}
	c.checkDrained()
	out, c.out = c.out, nil
	return out
}

// NextDeadline is when the next EventTick has something to do, Never if there
// is nothing to wait for.
func (c *Core) NextDeadline() Time {
	if len(c.timers) == 0 {
		return Never
	}
	return c.timers[0].at
}

func (c *Core) emit(a Action) { c.out = append(c.out, a) }

func (c *Core) onTick(unheard bool) {
	putOff := c.putOff
	for len(c.timers) > 0 && c.timers[0].at <= c.now {
		t := c.timers[0]
		c.timers.cancel(t)
		if unheard && t.judges() {
			t.held = true
			putOff = append(putOff, t)
			continue
		}
		switch t.kind {
		case timerJob:
			c.onJobDue(t.job)
		case timerBeat:
			c.onBeatDue(t.worker)
		case timerRecall:
			c.onRecallDue(t.worker)
		case timerRunner:
			c.onRunnerDue(t.runner)
		case timerDrain:
			c.onDrainDue()
		}
	}
	for i, t := range putOff {
		if t.held && t.index < 0 { // and not cancelled or armed meanwhile
			c.timers.arm(t, t.at)
		}
		t.held = false
		putOff[i] = nil
	}
	c.putOff = putOff[:0]
}

// onJobDue ends a job's wait, its run, or the grace of its worker.
func (c *Core) onJobDue(j *job) {
	switch j.state {
	case jobWaiting:
		c.expire(j)
	case jobAssigned:
		c.abandon(j, OutcomeTimedOutRunning)
	case jobAbandoned:
		c.evict(j.worker, ReasonHung)
	case jobFree: // has no timer
	}
}

// expire ends a waiting job whose time to start is over.
func (c *Core) expire(j *job) {
	outcome := OutcomeTimedOutWaiting
	if !j.service.offered() {
		outcome = OutcomeNoWorker
	}
	c.dequeue(j)
	c.reply(j, outcome)
	c.finish(j)
}

// abandon tells the caller of a running job its outcome and leaves the job with
// its worker, whose place it holds until it is done.
func (c *Core) abandon(j *job, outcome Outcome) {
	j.mayHaveRun = true
	c.reply(j, outcome)
	j.state = jobAbandoned
	j.headers, j.payload = nil, nil
	if j.behind { // it is not this job that keeps the worker
		c.timers.cancel(&j.timer)
	} else {
		c.armGrace(j)
	}
	c.emit(Action{Kind: ActionCancel, Worker: j.worker.id, Job: j.id, Attempt: j.attempt})
}

// reply tells the runner a job's outcome. The job must be finished or abandoned
// right after.
func (c *Core) reply(j *job, outcome Outcome) { c.replyWith(j, outcome, 0, nil) }

func (c *Core) replyWith(j *job, outcome Outcome, retryAfter time.Duration, payload []byte) {
	c.counters.Outcomes[outcome]++
	r := j.runner
	r.jobs.remove(j)
	delete(r.tags, j.tag)
	j.runner = nil
	c.emit(Action{
		Kind: ActionReply, Runner: r.id, Tag: j.tag, Ref: j.ref,
		Outcome: outcome, MayHaveRun: j.mayHaveRun, RetryAfter: retryAfter, Payload: payload,
	})
	j.ref = nil
}

// finish returns a job to the slab. It is in no list any more.
func (c *Core) finish(j *job) {
	c.timers.cancel(&j.timer)
	c.jobs.put(j)
}

// enqueue puts a job among its service's waiting ones, in order of arrival. A
// new job is the last; one that comes back finds its place near the front.
func (c *Core) enqueue(j *job) {
	s := j.service
	var after *job
	if s.queue.last != nil && s.queue.last.arrival < j.arrival {
		after = s.queue.last
	} else {
		for n := s.queue.first; n != nil && n.arrival < j.arrival; n = n.queue.next {
			after = n
		}
	}
	s.queue.insert(j, after)
	j.state = jobWaiting
	c.waiting++
	c.waitingBytes += j.size()
	if s.backlog < 0 {
		s.backlog = len(c.backlog)
		c.backlog = append(c.backlog, s)
	}
	c.timers.arm(&j.timer, j.startBy)
}

func (c *Core) dequeue(j *job) {
	s := j.service
	s.queue.remove(j)
	c.waiting--
	c.waitingBytes -= j.size()
	if s.queue.n == 0 {
		last := len(c.backlog) - 1
		moved := c.backlog[last]
		c.backlog[s.backlog] = moved
		moved.backlog = s.backlog
		c.backlog[last] = nil
		c.backlog = c.backlog[:last]
		s.backlog = -1
		c.release(s)
	}
}

// requeue lets a job that was with a worker wait again. It had its worker in
// time once, so from now on only its deadline counts.
func (c *Core) requeue(j *job) {
	j.startBy = j.deadline
	c.enqueue(j)
}

// fill gives w waiting jobs, the oldest first, while it has room for them.
func (c *Core) fill(w *worker) {
	for w.state == workerReady {
		s := c.oldest(w)
		if s == nil {
			return
		}
		j := s.queue.first
		c.dequeue(j)
		c.assign(j, w)
	}
}

// oldest returns the service whose first waiting job is the oldest that w has
// room for. It looks at no more services than w offers, since runners may wait
// for any number of others.
func (c *Core) oldest(w *worker) *service {
	var best *service
	services, offered := w.class.services, true
	if len(c.backlog) < len(services) {
		services, offered = c.backlog, false
	}
	for _, s := range services {
		if s.queue.n == 0 || (best != nil && best.queue.first.arrival < s.queue.first.arrival) {
			continue
		}
		if c.room(w, s.cost()) && (offered || w.class.offers(s)) {
			best = s
		}
	}
	return best
}

// refill gives waiting jobs of these services to whoever has room, after jobs
// of them came back.
func (c *Core) refill(services []*service) {
	for {
		var j *job
		var to *worker
		for _, s := range services {
			if s.queue.n == 0 || (j != nil && j.arrival < s.queue.first.arrival) {
				continue
			}
			if w := c.pick(s); w != nil {
				j, to = s.queue.first, w
			}
		}
		if j == nil {
			return
		}
		c.dequeue(j)
		c.assign(j, to)
	}
}

// assign gives a job that is in no list to a worker with room for it, unless
// it is too late for that.
func (c *Core) assign(j *job, w *worker) {
	s := j.service
	if c.now >= j.deadline {
		c.reply(j, OutcomeTimedOutWaiting)
		c.finish(j)
		return
	}
	if late := c.now.Add(c.leastTime(s)).Sub(j.deadline); late > 0 && !j.probe {
		// Not timed out: its caller has time left, to try elsewhere.
		c.replyWith(j, OutcomeBusy, hint(late), nil)
		c.finish(j)
		return
	}
	if w.idle() {
		w.lastProgress = c.now
	}
	w.assigned++
	w.turn = c.nextTurn()
	j.state = jobAssigned
	j.attempt++
	j.worker = w
	j.seq = w.assigned
	j.startedAt = c.now
	j.cost = s.cost()
	j.recalled = false
	s.running++
	w.backlog += j.cost
	w.jobs.push(j)
	if j.behind = w.jobs.n > w.capacity; j.behind && w.behind == nil {
		w.behind = j
	}
	w.class.fix(w)
	c.counters.Assigned++
	c.timers.arm(&j.timer, j.deadline)
	if j.behind && w.recall.index < 0 {
		c.timers.arm(&w.recall, c.overdue(w))
	}
	c.emit(Action{
		Kind: ActionAssign, Worker: w.id, Job: j.id, Attempt: j.attempt,
		Service: s.name, Deadline: j.deadline, Headers: j.headers, Payload: j.payload,
	})
}

// leastTime is how much time a job of s must have left to be started. Usually
// that is what nearly every job takes at least. But if another one waits that
// certainly has enough time, no place is lost when this one is given up, and
// starting it is likely to be for nothing: in an overload the oldest job is
// always the one whose time is just running out.
func (c *Core) leastTime(s *service) time.Duration {
	safe := s.estimate.high + (s.estimate.high - s.estimate.low)
	if last := s.queue.last; last != nil && c.now.Add(safe) <= last.deadline {
		return safe
	}
	return s.estimate.low
}

// unassign takes a job off its worker's list.
func (c *Core) unassign(j *job) {
	w := j.worker
	switch next := w.behind; {
	case j == next:
		w.behind = j.onWorker.next
	case next != nil && !j.behind:
		w.behind = next.onWorker.next
		c.promote(next)
	}
	w.jobs.remove(j)
	w.backlog -= j.cost
	j.service.running--
	if w.idle() {
		w.turn = c.nextTurn()
	}
	w.class.fix(w)
	j.worker = nil
	c.timers.cancel(&j.timer)
}

// promote marks that a prefetched job has got its place: from now on its
// worker may be running it, and answers for the time it takes.
func (c *Core) promote(j *job) {
	j.behind = false
	j.startedAt = c.now
	if j.state == jobAbandoned {
		c.armGrace(j)
	}
}

// armGrace gives a worker time to finish a job that nobody waits for.
func (c *Core) armGrace(j *job) {
	c.timers.arm(&j.timer, max(j.deadline, c.now).Add(c.cfg.Grace))
}

func (c *Core) nextTurn() uint64 {
	c.turns++
	return c.turns
}

// held returns the job if that worker has it in that attempt. Anything else is
// a late or a forged answer.
func (c *Core) held(ev *Event) *job {
	j := c.jobs.find(ev.Job)
	if j == nil || j.worker == nil || j.worker.id != ev.Worker || j.attempt != ev.Attempt {
		c.counters.Late++
		return nil
	}
	return j
}

func (c *Core) onResult(ev *Event) {
	c.onWorkerBeat(ev)
	j := c.held(ev)
	if j == nil {
		return
	}
	w := j.worker
	run := ev.Run
	if run <= 0 {
		run = c.now.Sub(j.startedAt)
	}
	j.service.estimate.add(run)
	j.service.measured = c.now
	c.unassign(j)
	w.lastProgress = c.now
	w.done++
	if ev.Failed {
		w.failed++
	}
	if j.state == jobAbandoned {
		c.counters.Late++
	} else {
		outcome := OutcomeOK
		if ev.Failed {
			outcome = OutcomeJobError
		}
		j.mayHaveRun = true
		c.replyWith(j, outcome, 0, ev.Payload)
	}
	c.finish(j)
	c.afterJob(w)
}

// maxReturns is how often a job may come back from workers that nobody had asked
// for it. They do not want it, and it must not go round until its deadline.
const maxReturns = 3

// onReturned takes back a job that its worker certainly did not start.
func (c *Core) onReturned(ev *Event) {
	c.onWorkerBeat(ev)
	j := c.held(ev)
	if j == nil {
		return
	}
	w := j.worker
	c.unassign(j)
	c.counters.Returned++
	if !j.recalled && w.state == workerReady {
		j.returns++
	}
	switch {
	case j.state == jobAbandoned:
		c.finish(j)
	case j.returns >= maxReturns:
		c.reply(j, OutcomeNoWorker)
		c.finish(j)
	default:
		c.requeue(j)
	}
	c.refill(w.class.services) // first, for w itself may have room for what it has just returned
	c.afterJob(w)
}

// afterJob uses the place that a job left on w.
func (c *Core) afterJob(w *worker) {
	if w.jobs.n <= w.capacity {
		c.timers.cancel(&w.recall)
	}
	c.fill(w)
	c.leave(w)
}

// onRecallDue takes prefetched jobs back from a worker that is stuck with a
// longer job than expected, when another worker is idle.
func (c *Core) onRecallDue(w *worker) {
	if w.state == workerEvicting || w.jobs.n <= w.capacity {
		return
	}
	if at := c.overdue(w); c.now < at {
		c.timers.arm(&w.recall, at)
		return
	}
	c.timers.arm(&w.recall, c.now.Add(2*c.cfg.PrefetchBudget))
	for j := w.jobs.last; j != nil && j.behind; j = j.onWorker.prev {
		if j.state == jobAssigned && !j.recalled && j.service.idleWorker() {
			j.recalled = true
			c.emit(Action{Kind: ActionRecall, Worker: w.id, Job: j.id, Attempt: j.attempt})
		}
	}
}

// sortedWorkers keeps what is done to all workers in an order that does not
// depend on a map.
func (c *Core) sortedWorkers() []*worker {
	ws := make([]*worker, 0, len(c.workers))
	for _, w := range c.workers {
		ws = append(ws, w)
	}
	slices.SortFunc(ws, func(a, b *worker) int {
		if a.id < b.id {
			return -1
		}
		return 1
	})
	return ws
}
