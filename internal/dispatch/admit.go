// SPDX-License-Identifier: Apache-2.0

package dispatch

import "time"

const (
	// minRetryAfter and maxRetryAfter bound the hint given with OutcomeBusy.
	minRetryAfter = time.Millisecond
	maxRetryAfter = time.Minute
	// unknownRetryAfter is the hint when no run time was measured yet.
	unknownRetryAfter = 100 * time.Millisecond
)

// onSubmit starts a job, lets it wait, or refuses it at once.
func (c *Core) onSubmit(ev *Event) {
	c.counters.Submitted++
	r := c.runners[ev.Runner]
	if r == nil {
		c.refuse(ev, OutcomeRefused, 0)
		return
	}
	r.lastSeen = c.now
	if r.tags[ev.Tag] != nil {
		c.refuse(ev, OutcomeRefused, 0)
		return
	}
	if c.draining {
		c.refuse(ev, OutcomeClosed, 0)
		return
	}
	if c.now >= ev.Deadline {
		c.refuse(ev, OutcomeTimedOutWaiting, 0)
		return
	}
	s := c.serviceOf(ev.Service)
	if s.queue.n == 0 {
		if w := c.pick(s); w != nil && (w.jobs.n < w.capacity || ev.StartBy > c.now) {
			if c.now.Add(s.estimate.low) > ev.Deadline && !c.unconfirmed(s) {
				c.refuse(ev, OutcomeBusy, hint(s.estimate.low))
				return
			}
			c.assign(c.admit(ev, r, s), w)
			return
		}
	}
	if outcome, after := c.mayWait(ev, s); outcome != OutcomeOK {
		c.refuse(ev, outcome, after)
		c.release(s)
		return
	}
	c.enqueue(c.admit(ev, r, s))
}

// mayWait decides whether a job that cannot start now may wait.
func (c *Core) mayWait(ev *Event, s *service) (Outcome, time.Duration) {
	if !s.offered() {
		if ev.StartBy <= c.now {
			return OutcomeNoWorker, 0
		}
		if c.roomFull(ev) {
			return OutcomeBusy, unknownRetryAfter
		}
		return OutcomeOK, 0
	}
	run := s.estimate.low
	if ev.StartBy <= c.now || c.roomFull(ev) {
		return OutcomeBusy, hint(run)
	}
	if run == 0 || c.unconfirmed(s) {
		return OutcomeOK, 0
	}
	// Its turn comes when the jobs ahead of it and one that runs now are done.
	// Its caller's patience is not worth a guess, since nobody loses anything by
	// its end: there, every job ahead takes the least, and what runs ends now.
	places := time.Duration(s.capacity())
	turn := s.estimate.mean * time.Duration(s.queue.n+1) / places
	soonest := run * (time.Duration(s.queue.n) / places)
	late := max(c.now.Add(turn+s.estimate.likely).Sub(ev.Deadline), c.now.Add(soonest).Sub(ev.StartBy))
	if late > 0 {
		return OutcomeBusy, hint(late)
	}
	return OutcomeOK, 0
}

func (c *Core) roomFull(ev *Event) bool {
	return c.waiting >= c.cfg.MaxWaiting ||
		c.waitingBytes+int64(len(ev.Headers)+len(ev.Payload)) > c.cfg.MaxWaitingBytes
}

func hint(after time.Duration) time.Duration {
	if after == 0 {
		return unknownRetryAfter
	}
	return min(max(after, minRetryAfter), maxRetryAfter)
}

// refuse answers a job that was never admitted.
func (c *Core) refuse(ev *Event, outcome Outcome, after time.Duration) {
	c.counters.Outcomes[outcome]++
	c.emit(Action{
		Kind: ActionReply, Runner: ev.Runner, Tag: ev.Tag, Ref: ev.Ref,
		Outcome: outcome, RetryAfter: after,
	})
}

// admit makes the job of a submission. It is in its runner's list and in no
// other yet.
func (c *Core) admit(ev *Event, r *runner, s *service) *job {
	j := c.jobs.get()
	c.arrivals++
	j.runner, j.tag, j.ref = r, ev.Tag, ev.Ref
	j.service, j.arrival = s, c.arrivals
	j.deadline, j.startBy = ev.Deadline, min(ev.StartBy, ev.Deadline)
	j.retries, j.probe = ev.Retries, c.unconfirmed(s)
	j.headers, j.payload = ev.Headers, ev.Payload
	r.jobs.push(j)
	r.tags[ev.Tag] = j
	return j
}
