// SPDX-License-Identifier: Apache-2.0

package dispatch

// onDrain refuses what waits and lets what runs finish.
func (c *Core) onDrain(ev *Event) {
	if c.draining {
		return
	}
	c.draining = true
	c.closeWaiting()
	c.timers.arm(&c.drain, max(ev.Deadline, c.now))
}

func (c *Core) closeWaiting() {
	for len(c.backlog) > 0 {
		j := c.backlog[0].queue.first
		c.dequeue(j)
		c.reply(j, OutcomeClosed)
		c.finish(j)
	}
}

// onDrainDue ends the drain: who still waits is told, whoever still runs. Jobs
// may be waiting once more, when they came back from a worker.
func (c *Core) onDrainDue() {
	c.closeWaiting()
	for _, w := range c.sortedWorkers() {
		for j := w.jobs.first; j != nil; j = j.onWorker.next {
			if j.state == jobAssigned {
				c.abandon(j, OutcomeClosed)
			}
		}
	}
	c.timers.cancel(&c.drain)
}

// checkDrained reports the end of a drain, once.
func (c *Core) checkDrained() {
	if !c.draining || c.drained {
		return
	}
	for _, r := range c.runners {
		if r.jobs.n > 0 {
			return
		}
	}
	c.drained = true
	c.timers.cancel(&c.drain)
	c.emit(Action{Kind: ActionDrained})
}
