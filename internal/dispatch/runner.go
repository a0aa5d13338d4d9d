// SPDX-License-Identifier: Apache-2.0

package dispatch

// runner is one connected runner, or the one inside this process.
type runner struct {
	id       RunnerID
	local    bool
	jobs     list            // those whose outcome it waits for
	tags     map[uint64]*job // the same by the runner's own names
	lastSeen Time
	beat     timer
}

func (c *Core) onRunnerUp(ev *Event) {
	if c.runners[ev.Runner] != nil {
		c.onRunnerBeat(ev)
		return
	}
	r := &runner{
		id: ev.Runner, local: ev.Local, lastSeen: c.now,
		jobs: list{of: peersLink}, tags: map[uint64]*job{},
	}
	r.beat = timer{index: -1, kind: timerRunner, runner: r}
	c.runners[r.id] = r
	if !r.local {
		c.timers.arm(&r.beat, c.now.Add(c.cfg.silence()))
	}
}

func (c *Core) onRunnerBeat(ev *Event) {
	if r := c.runners[ev.Runner]; r != nil {
		r.lastSeen = c.now
	}
}

func (c *Core) onRunnerDue(r *runner) {
	if end := r.lastSeen.Add(c.cfg.silence()); c.now < end {
		c.timers.arm(&r.beat, end)
		return
	}
	c.emit(Action{Kind: ActionDropRunner, Runner: r.id})
	c.forgetRunner(r)
}

func (c *Core) onRunnerDown(ev *Event) {
	if r := c.runners[ev.Runner]; r != nil {
		c.forgetRunner(r)
	}
}

// forgetRunner cancels what nobody waits for any more.
func (c *Core) forgetRunner(r *runner) {
	c.timers.cancel(&r.beat)
	for r.jobs.n > 0 {
		c.drop(r.jobs.first)
	}
	delete(c.runners, r.id)
}

// drop ends a job that its caller gave up.
func (c *Core) drop(j *job) {
	if j.state == jobWaiting {
		c.dequeue(j)
		c.reply(j, OutcomeCancelled)
		c.finish(j)
		return
	}
	c.abandon(j, OutcomeCancelled)
}

func (c *Core) onCancel(ev *Event) {
	r := c.runners[ev.Runner]
	if r == nil {
		return
	}
	r.lastSeen = c.now
	if j := r.tags[ev.Tag]; j != nil {
		c.drop(j)
	}
}
