// SPDX-License-Identifier: Apache-2.0

package session

import (
	"time"

	"github.com/powerhose/powerhose/protocol"
)

// Runner is the runner's side of its conversations with one or several masters:
// which one gets a job, what a caller is told when a master is gone, and when to
// connect, register, ping and give up. It is a pure state machine without
// sockets, clock and goroutines. What happened goes in as events together with
// the time, what is to be done comes out as actions; jobs to send are fetched:
//
//	out = r.Step(now, &event, out[:0])
//	for _, a := range out { perform(a) }
//	for master, job := r.Next(); job != nil; master, job = r.Next() { send }
//	wait until r.NextDeadline(), then Step a RunnerTick
//
// Moments are durations since a moment of the owner's choice, on a clock that
// never goes back. A Runner belongs to one owner, who performs all actions
// before it steps again with anything but RunnerSubmit and RunnerCancel, and
// reports at once what could not be sent (RunnerUnsent).
//
// # A job
//
//	        RunnerSubmit
//	             │ refused at once ───────────► busy, too large, closed, or no time left
//	             ▼
//	  ┌────── waiting ── time is up ──────────► timed out waiting, or master lost (not run)
//	  │          │  ▲ └─ RunnerCancel ────────► cancelled (not run)
//	  │     Next │  │ RunnerUnsent, a draining master gave it back,
//	  │          │  │ or its master was lost and it may be retried
//	  │          ▼  │
//	  │        sent ──── RunnerResult ────────► the master's verdict
//	  │          │  └─── master lost ─────────► master lost (may have run)
//	  │          │ └──── deadline ────────────► timed out running (may have run)
//	  │          ▼ RunnerCancel
//	  │      cancelling ─ RunnerResult ───────► the master's verdict
//	  ▼          │ 10 ms, or master lost ─────► cancelled (may have run)
//	(answered)   ▼
//
// Every job gets exactly one answer. MayHaveRun is false only if the job was
// never sent, or every master that had it said that no worker started it.
//
// # A master
//
//	down ── backoff over ──► connecting ── RunnerProbe ──► registering
//	 ▲                           │                              │ RunnerWelcome
//	 │ no WELCOME in 3 s ────────┴──────────────────────────────┤
//	 │ silent, process gone, connection gone                    ▼
//	 └──────────────────────────────────── draining ◄───────── up
//	                                          RunnerDrain
//
// New jobs go to the first master, in the order given, that is up. A draining
// one that owes nothing any more gets BYE, and counts as connecting.
type Runner struct {
	cfg     RunnerConfig
	masters []runnerMaster
	target  int // the master that gets the next job, -1 if none is up
	closed  bool

	slots  runnerSlots
	timers runnerTimers
	again  runnerList // waiting; were with a master before, so they go first
	fresh  runnerList // waiting
	stats  RunnerStats

	now time.Duration  // of the step in progress
	out []RunnerAction // of the step in progress
}

// NewRunner returns a Runner whose first step connects.
func NewRunner(cfg RunnerConfig) *Runner {
	if cfg.MaxPayload == 0 {
		cfg.MaxPayload = protocol.MaxMessage
	}
	if cfg.MaxUnsent == 0 {
		cfg.MaxUnsent = DefaultMaxUnsent
	}
	if cfg.MaxUnsentBytes == 0 {
		cfg.MaxUnsentBytes = DefaultMaxUnsentBytes
	}
	if cfg.FullAfter == 0 {
		cfg.FullAfter = DefaultFullAfter
	}
	r := &Runner{cfg: cfg, target: -1, masters: make([]runnerMaster, cfg.Masters)}
	for i := range r.masters {
		r.masters[i].index = i
	}
	return r
}

// Step tells what happened and appends what is to be done to out.
func (r *Runner) Step(now time.Duration, ev *RunnerEvent, out []RunnerAction) []RunnerAction {
	r.now, r.out = now, out
	switch ev.Kind {
	case RunnerTick:
		r.tick()
	case RunnerSubmit:
		r.submit(ev.Job)
	case RunnerCancel:
		r.cancel(ev.Job)
	case RunnerReject:
		r.reject(ev.Job, ev.Outcome)
	case RunnerClose:
		r.close()
	default:
		if !r.closed && ev.Master >= 0 && ev.Master < len(r.masters) {
			r.stepMaster(&r.masters[ev.Master], ev)
		}
	}
	out, r.out = r.out, nil
	return out
}

// Next takes the next job that is to be sent now, and tells to which master. It
// returns nil when there is none, or nobody takes it. The job counts as sent
// from here on, unless RunnerUnsent says otherwise.
func (r *Runner) Next() (master int, j *RunnerJob) {
	if r.target < 0 {
		return -1, nil
	}
	m := &r.masters[r.target]
	if m.blocked {
		return -1, nil
	}
	if j = r.again.first; j == nil {
		if j = r.fresh.first; j == nil {
			return -1, nil
		}
	}
	j.list.remove(j)
	r.slots.name(j)
	j.state, j.master = runnerJobSent, int32(m.index)
	m.sent.push(j)
	m.owed++
	return m.index, j
}

// NextDeadline is when a RunnerTick is due at the latest: in the past if it is
// overdue, ok is false if nothing will ever happen by itself.
func (r *Runner) NextDeadline() (at time.Duration, ok bool) {
	at = runnerNever
	if len(r.timers) > 0 {
		at = r.timers[0].at
	}
	for i := range r.masters {
		at = min(at, r.masters[i].due())
	}
	return at, at != runnerNever
}

// Target is the master that gets the next job, -1 if none is up.
func (r *Runner) Target() int { return r.target }

// Live is the first master that answers questions, -1 if there is none: like
// Target, but a draining one is better than none.
func (r *Runner) Live() int {
	live := r.target
	for i := range r.masters {
		if live < 0 && r.masters[i].registered() {
			live = i
		}
	}
	return live
}

// Stats returns what was counted so far.
func (r *Runner) Stats() RunnerStats { return r.stats }

// Unanswered is how many jobs were submitted and are not answered.
func (r *Runner) Unanswered() int { return len(r.slots.jobs) - len(r.slots.free) }

func (r *Runner) emit(a RunnerAction) { r.out = append(r.out, a) }

func (r *Runner) tick() {
	r.expireJobs()
	for i := range r.masters {
		r.tickMaster(&r.masters[i])
	}
	r.expireJobs() // what a master that is lost now leaves
}

func (r *Runner) expireJobs() {
	for len(r.timers) > 0 && r.timers[0].at <= r.now {
		r.expire(r.timers[0].job)
	}
}

// expire is called when the timer of a job is due.
func (r *Runner) expire(j *RunnerJob) {
	switch j.state {
	case runnerJobWaiting:
		r.giveUp(j)
	case runnerJobSent:
		// The timer was set when the job was submitted, for the time that it
		// could wait to be sent: one that is answered soon passes the heap once.
		if r.now < j.Deadline {
			r.timers.arm(j, j.Deadline)
			return
		}
		r.answer(j, protocol.OutcomeTimedOutRunning, true)
	case runnerJobCancelling:
		r.answer(j, protocol.OutcomeCancelled, true)
	case runnerJobIdle:
		r.timers.disarm(j) // cannot be: an answer disarms
	}
}

func (r *Runner) submit(j *RunnerJob) {
	j.Outcome, j.MayHaveRun, j.MasterLost, j.RetryAfter, j.Payload = 0, false, false, 0, nil
	j.ran, j.moved, j.slot = false, false, -1
	j.startBy = j.Deadline
	if j.Wait >= 0 && j.Wait < j.Deadline-r.now {
		j.startBy = r.now + j.Wait
	}
	switch {
	case r.closed:
		r.answer(j, protocol.OutcomeClosed, false)
	case j.PayloadSize > r.limit():
		r.answer(j, protocol.OutcomeTooLarge, false)
	case j.Deadline-r.now <= MinMargin:
		r.giveUp(j)
	case !r.hasRoom(j) || !r.slots.take(j):
		r.answer(j, protocol.OutcomeBusy, false)
	default:
		j.state = runnerJobWaiting
		r.fresh.push(j)
		r.timers.arm(j, j.sendBy())
	}
}

// hasRoom bounds only the jobs that have nowhere to go.
func (r *Runner) hasRoom(j *RunnerJob) bool {
	if r.target >= 0 && !r.masters[r.target].blocked {
		return true
	}
	return r.again.n+r.fresh.n < r.cfg.MaxUnsent &&
		r.again.bytes+r.fresh.bytes+j.Size <= r.cfg.MaxUnsentBytes
}

// limit is the longest payload that can be sent now.
func (r *Runner) limit() int64 {
	if r.target < 0 {
		return r.cfg.MaxPayload
	}
	return min(r.cfg.MaxPayload, r.masters[r.target].welcome.MaxMessage)
}

func (r *Runner) cancel(j *RunnerJob) {
	switch j.state {
	case runnerJobWaiting:
		r.answer(j, protocol.OutcomeCancelled, false)
	case runnerJobSent:
		j.state = runnerJobCancelling
		r.timers.arm(j, min(j.Deadline, r.now+cancelPatience))
		r.emit(RunnerAction{Kind: RunnerSendCancel, Master: int(j.master), ID: j.id})
	case runnerJobIdle, runnerJobCancelling:
	}
}

func (r *Runner) reject(j *RunnerJob, outcome protocol.Outcome) {
	if j.state == runnerJobIdle {
		return
	}
	if m := &r.masters[j.master]; j.list == &m.sent {
		m.owed--
	}
	r.answer(j, outcome, false)
}

// giveUp answers a job that was not sent in time.
func (r *Runner) giveUp(j *RunnerJob) {
	switch {
	case j.moved && !j.ran:
		r.answer(j, protocol.OutcomeClosed, false)
	case r.target < 0 || j.ran:
		r.masterLost(j, false)
	default:
		r.answer(j, protocol.OutcomeTimedOutWaiting, false)
	}
}

func (r *Runner) masterLost(j *RunnerJob, mayHaveRun bool) {
	j.MasterLost = true
	r.stats.Lost++
	r.answer(j, 0, mayHaveRun)
}

// answer ends a job. It may have run if its last master says so, or if an
// earlier one was lost with it.
func (r *Runner) answer(j *RunnerJob, outcome protocol.Outcome, mayHaveRun bool) {
	j.Outcome, j.MayHaveRun = outcome, mayHaveRun || j.ran
	if j.list != nil {
		j.list.remove(j)
	}
	r.timers.disarm(j)
	if j.slot >= 0 {
		r.slots.giveBack(j)
		j.slot = -1
	}
	j.state = runnerJobIdle
	r.emit(RunnerAction{Kind: RunnerAnswer, Job: j})
}

// wait puts a job that was with a master among those that go first.
func (r *Runner) wait(j *RunnerJob) {
	j.list.remove(j)
	j.state = runnerJobWaiting
	r.again.push(j)
	r.timers.arm(j, j.sendBy())
}

// retarget chooses the master for the next jobs after any of them changed.
func (r *Runner) retarget() {
	target := -1
	for i := range r.masters {
		if r.masters[i].state == runnerUp {
			target = i
			break
		}
	}
	if target == r.target {
		return
	}
	r.target = target
	if target < 0 {
		return
	}
	limit := r.limit()
	for _, l := range []*runnerList{&r.again, &r.fresh} {
		for j := l.first; j != nil; {
			next := j.next
			if j.PayloadSize > limit {
				r.answer(j, protocol.OutcomeTooLarge, false)
			}
			j = next
		}
	}
}

// close answers everything. What was sent may have run.
func (r *Runner) close() {
	if r.closed {
		return
	}
	r.closed = true
	for i := range r.masters {
		m := &r.masters[i]
		if m.registered() {
			r.emit(RunnerAction{Kind: RunnerSendBye, Master: i})
		}
		m.state, m.at, m.blocked = runnerDown, runnerNever, false
	}
	r.target = -1
	for _, j := range r.slots.jobs {
		if j != nil {
			r.answer(j, protocol.OutcomeClosed, j.state != runnerJobWaiting)
		}
	}
}
