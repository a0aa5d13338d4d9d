// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"fmt"
	"time"

	"github.com/powerhose/powerhose/protocol"
)

// queueChecks are about jobs that wait at the worker, because it was given more
// than its capacity.
var queueChecks = []check{
	{rule: 35, name: "it starts jobs in the order received", costly: true, run: (*rig).checkOrder},
	{rule: 35, name: "it runs no more jobs at once than its capacity", costly: true, run: (*rig).checkNoMore},
	{rule: 43, name: "a job that is cancelled before its start is returned", costly: true, run: callOffWaiting(protocol.CommandCancel)},
	{rule: 44, name: "a job that is recalled before its start is returned", costly: true, run: callOffWaiting(protocol.CommandRecall)},
	{rule: 24, name: "jobs that have not started end with their registration", costly: true, run: (*rig).checkForgets},
}

// holdTime is how long jobs keep a worker busy while others wait.
const holdTime = 800 * time.Millisecond

// checkOrder: one place gets free early and must take all that wait, one after
// the other.
func (r *rig) checkOrder() string {
	d := r.long(holdTime)
	n := r.needPrefetch()
	r.ready()
	first := r.giveSleep(d / 4)
	var long []*job
	for range r.needPlaces() - 1 {
		long = append(long, r.giveSleep(2*d))
	}
	var queue []*job
	for i := range n {
		queue = append(queue, r.giveEcho(fmt.Sprintf("number %d", i+1)))
	}
	var last *job
	for _, j := range append([]*job{first}, queue...) {
		r.done(j, 2*d+r.timeout())
		if last != nil && indexOf(r.log, j.answer) < indexOf(r.log, last.answer) {
			r.broken("expected %s before %s, got it after", last.text, j.text)
		}
		last = j
	}
	for _, j := range long {
		r.answer(j, 2*d+r.timeout())
	}
	return fmt.Sprintf("%d jobs that had to wait came in order", n)
}

func indexOf(log []*event, e *event) int {
	for i, have := range log {
		if have == e {
			return i
		}
	}
	return -1
}

func (r *rig) checkNoMore() string {
	d := r.long(holdTime)
	r.needPrefetch()
	r.ready()
	places := r.fill(d / 2)
	j := r.giveEcho("one too many")
	r.done(j, d+r.timeout())
	for _, p := range places {
		r.answer(p, d+r.timeout())
		if indexOf(r.log, p.answer) < indexOf(r.log, j.answer) {
			j = nil // it had to wait for this one
			break
		}
	}
	if j != nil {
		r.broken("expected job %d to wait for one of the %d before it, got its answer first", len(places)+1, len(places))
	}
	r.finish(places)
	return fmt.Sprintf("job %d waited for one of the %d before it", len(places)+1, len(places))
}

// finish waits for answers that are none of the check's business.
func (r *rig) finish(jobs []*job) {
	r.wait(2*r.long(holdTime)+r.timeout(), func() bool {
		for _, j := range jobs {
			if j.answer == nil && !j.past {
				return false
			}
		}
		return true
	})
}

func callOffWaiting(cmd protocol.Command) func(*rig) string {
	return func(r *rig) string {
		r.needPrefetch()
		r.needResponsive()
		r.ready()
		places := r.fill(r.long(holdTime))
		j := r.giveEcho("it has to wait")
		other := protocol.JobRef{ID: j.ref.ID, Attempt: j.ref.Attempt + 1}
		r.callOff(cmd, other) // another attempt: not this job
		r.sayPing()
		r.setUp(func() { r.soon("PONG", is(protocol.CommandPong)) })
		r.stillWaits(j, places)
		if j.answer != nil {
			r.broken("expected %v of another attempt to be ignored, got %v", cmd, j.answer)
		}
		r.callOff(cmd, j.ref)
		if e := r.answer(j, r.long(holdTime)+r.timeout()); e.cmd != protocol.CommandReturn {
			r.stillWaits(j, places)
			r.broken("expected RETURN, got %v", e)
		}
		for _, p := range places { // they may end early
			r.callOff(protocol.CommandCancel, p.ref)
		}
		r.finish(places)
		return "RETURN came"
	}
}

// stillWaits: a job that was done although all places were taken is the subject
// of checkNoMore.
func (r *rig) stillWaits(j *job, places []*job) {
	if j.answer == nil || j.answer.cmd != protocol.CommandResult {
		return
	}
	for _, p := range places {
		if p.answer != nil && indexOf(r.log, p.answer) < indexOf(r.log, j.answer) {
			return
		}
	}
	r.skip("not reached: %s did not wait", j.text)
}

// checkForgets: what waits when the registration ends is never answered.
func (r *rig) checkForgets() string {
	n := r.needPrefetch()
	r.needResponsive()
	r.ready()
	places := r.fill(r.long(holdTime))
	var queue []*job
	for i := range n {
		queue = append(queue, r.giveEcho(fmt.Sprintf("waiting %d", i+1)))
	}
	r.setUp(func() {
		r.sayPing()
		r.soon("PONG", is(protocol.CommandPong))
		for _, j := range queue {
			r.stillWaits(j, places)
		}
		r.evict()
		r.expect("REGISTER", r.long(holdTime)+r.timeout(), is(protocol.CommandRegister))
	})
	r.settle()
	for _, j := range queue {
		if j.answer != nil {
			r.broken("expected no answer to a job of the registration before, got %v", j.answer)
		}
	}
	return fmt.Sprintf("%d jobs that waited were not answered", n)
}
