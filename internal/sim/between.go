// SPDX-License-Identifier: Apache-2.0

package sim

// after checks what must hold between two rounds of the master.
func (o *observer) after() {
	w, now := o.w, o.m.p.begun()
	if workers, runners := o.hub.Peers(); w.script.Hub.MaxWorkers > 0 &&
		(workers > w.script.Hub.MaxWorkers || runners > w.script.Hub.MaxRunners) {
		w.fail(nil, "%s has %d workers and %d runners, more than it may", o.m.p.name, workers, runners)
	}
	for i := 0; i < len(o.regs); i++ {
		r := o.regs[i]
		r.draining = r.drains
		if !o.hub.HasWorker(r.conn.id) {
			r.gone = true
			o.lost++
			o.regs = append(o.regs[:i], o.regs[i+1:]...)
			i--
		}
	}
	waiting := uint64(0)
	for i := 0; i < len(o.open); i++ {
		s := o.open[i]
		if s.from != nil && !o.hub.HasRunner(s.from.id) {
			o.dropRunner(s.from)
			i = -1
			waiting = 0
			continue
		}
		if o.lost > 0 { // it may have come back from a worker that it was never sent to
			s.waitBy = s.deadline
		}
		switch {
		case now >= s.deadline:
			w.fail(s.job, "%s has not answered it by its deadline, %v ago", o.m.p.name, now-s.deadline)
		case s.ref.ID == 0 && now >= s.waitBy:
			w.fail(s.job, "it waits at %s for %v longer than it may", o.m.p.name, now-s.waitBy)
		}
		if s.on != nil && s.on.gone {
			s.on, s.waits = nil, o.rounds
		}
		if s.on == nil {
			n := w.script.number(s.job.service)
			waiting |= 1 << n
			// With a worker that is lost comes back what could not be sent to it.
			if s.order < o.given[n] && s.waits < o.rounds && o.lost == 0 {
				w.fail(s.job, "%s gives out a younger one before it", o.m.p.name)
			}
		}
	}
	o.given, o.lost = [8]uint64{}, 0
	o.rounds++
	if waiting == 0 {
		return
	}
	for _, r := range o.regs {
		if !r.draining && len(r.held) < r.reg.Capacity && r.services&waiting != 0 {
			o.idle(r)
		}
	}
}

// idle: a worker has room for a job that waits.
func (o *observer) idle(r *registration) {
	for _, s := range o.open {
		if s.on == nil && r.services&o.w.script.bit(s.job.service) != 0 {
			o.w.fail(s.job, "it waits at %s, although %s has room for it: %d of %d jobs", o.m.p.name,
				r.conn.side[dealing].p.name, len(r.held), r.reg.Capacity)
		}
	}
}
