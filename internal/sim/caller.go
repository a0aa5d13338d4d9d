// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"time"

	"github.com/powerhose/powerhose/protocol"
)

// caller is a goroutine in a runner's process that has one job done after the
// other.
type caller struct {
	w     *world
	place *place
	rng   random
	load  *Load
	job   *job // nil between two
	next  uint32
}

// dispatcher is what callers see of the runner in their process.
type dispatcher interface {
	submit(j *job)
	cancel(j *job)
}

// What can happen to a caller.
const (
	callerSubmit uint32 = iota
	callerCancel        // + 4 times the number of the job, as far as it fits
)

// begin starts the callers of a process.
func (pl *place) begin() {
	for i := range pl.callers {
		c := pl.callers[i]
		c.job = nil
		c.next++
		c.pause(1)
	}
}

func (c *caller) pause(times time.Duration) {
	if !c.w.closing {
		c.w.after(c.rng.about(times*c.load.Pause), c, callerSubmit|c.next<<2)
	}
}

func (c *caller) happen(what uint32) {
	p := c.place.p
	if p == nil || p.dead || what>>2 != c.next {
		c.w.ignored()
		return
	}
	if p.paused {
		c.w.ignored()
		c.w.at(p.until+c.rng.about(20*time.Microsecond), c, what)
		return
	}
	switch what & 3 {
	case callerSubmit:
		if !c.w.closing {
			c.submit(c.draw())
		}
	case callerCancel:
		if c.job != nil {
			c.job.cancelled = max(p.now(), 1)
			if c.w.trace != nil {
				c.w.note(c.job, c.place.name(), "its caller gives up")
			}
			p.body.(dispatcher).cancel(c.job)
			p.kick()
		}
	}
}

// draw makes up a job.
func (c *caller) draw() *job {
	w, r, l := c.w, &c.rng, c.load
	sv := &w.script.Services[r.below(len(w.script.Services))]
	j := &job{
		n: uint64(len(w.jobs)), caller: c, service: sv.Name, wait: protocol.WaitForever,
		size: 8 + r.below(64), run: sv.draw(r), fails: r.oneIn(10), stubborn: r.oneIn(3),
	}
	within := l.Within/4 + r.about(l.Within)
	if r.oneIn(20) {
		within = r.between(0, 3*time.Millisecond)
	}
	j.deadline = c.place.p.now() + within
	switch r.below(8) {
	case 0:
		j.wait = 0
	case 1:
		j.wait = r.between(0, within)
	}
	if r.oneIn(l.Retries) {
		j.retries = uint8(1 + r.below(3))
	}
	if r.oneIn(60) {
		j.size = 4000 + r.below(6000) // too long for a batch
	}
	w.jobs = append(w.jobs, j)
	w.stats.Jobs++
	if r.oneIn(l.Cancels) {
		w.after(r.between(0, within), c, callerCancel|(c.next+1)<<2)
	}
	return j
}

func (c *caller) submit(j *job) {
	c.next++
	c.job = j
	if c.w.trace != nil {
		c.w.note(j, c.place.name(), "submitted: %d octets, deadline %v, wait %v, takes %v",
			j.size, j.deadline-c.place.p.now(), j.wait, j.run)
	}
	c.place.p.body.(dispatcher).submit(j)
	c.place.p.kick()
}

// answered: the caller has what it waited for.
func (c *caller) answered(a answer) {
	j := c.job
	if j == nil {
		c.w.fail(nil, "%s: an answer for a caller that does not wait", c.place.name())
	}
	p := c.place.p
	late := p.now() - j.deadline
	if late > 0 && late > p.patience() {
		c.w.fail(j, "its caller gets its answer %v after the deadline", late)
	}
	if c := j.cancelled; c > 0 && p.now()-c > 10*time.Millisecond+p.patience() {
		p.w.fail(j, "its caller gave up, and gets its answer %v later", p.now()-c)
	}
	c.w.answer(j, a)
	c.job = nil
	c.next++
	switch a.outcome {
	case int(protocol.OutcomeBusy), int(protocol.OutcomeNoWorker), int(protocol.OutcomeClosed), outcomeMasterLost:
		c.pause(10) // no use to hurry
	default:
		c.pause(1)
	}
}
