// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"slices"

	"github.com/powerhose/powerhose/internal/hub"
	"github.com/powerhose/powerhose/protocol"
)

// observer reads along what goes in and out of a master's sockets, and complains
// when the master breaks its protocol. It knows nothing of what is inside.
type observer struct {
	w   *world
	m   *master
	hub *hub.Driven

	open   []*submission // taken and not answered
	fresh  []*submission // taken since the master looked at the clock
	tags   map[tag]*submission
	regs   []*registration // those that the master may still know
	asked  map[*conn]protocol.Registration
	rounds uint64    // of the master, this one included
	orders uint64    // jobs so far
	lost   int       // workers in this round
	given  [8]uint64 // the latest of each service, by order, that was given out in this round
}

// tag names a job of a runner's connection.
type tag struct {
	from *conn
	tag  uint64
}

// registration is a worker as its master sees it.
type registration struct {
	conn     *conn
	reg      protocol.Registration
	services uint64 // a bit for each
	most     int    // jobs that it may have
	batch    int
	ledger   bool
	since    uint64 // the round in which it began
	drains   bool   // DRAIN has arrived
	draining bool   // in an earlier round
	gone     bool
	held     []held
	given    map[protocol.JobRef]struct{} // all that it ever got
}

type held struct {
	ref protocol.JobRef
	sub *submission
}

func newObserver(w *world, m *master) *observer {
	return &observer{w: w, m: m, rounds: 1, tags: map[tag]*submission{}, asked: map[*conn]protocol.Registration{}}
}

// records calls f for each JOB or RESULT in a message, or once for another.
func records(first, more []byte, f func(cmd protocol.Command, fields, payload []byte)) {
	head, fields, err := protocol.ParseHeader(first)
	if err != nil {
		return
	}
	if head.Command != protocol.CommandBatch {
		f(head.Command, fields, more)
		return
	}
	r := protocol.ReadBatch(fields)
	for {
		cmd, fields, payload, ok := r.Next()
		if !ok {
			return
		}
		f(cmd, fields, payload)
	}
}

// fromRunner sees a message at the frontend before the master does.
func (o *observer) fromRunner(c *conn, first, more []byte) {
	records(first, more, func(cmd protocol.Command, fields, _ []byte) {
		switch cmd {
		case protocol.CommandRegister, protocol.CommandBye:
			o.dropRunner(c)
		case protocol.CommandJob:
			if m, err := protocol.ParseRunnerJob(fields); err == nil && o.hub.HasRunner(c.id) {
				s := o.w.submissionOf(m.Headers)
				o.take(s, c, m.ID)
				s.left, s.wait, s.deadline = m.TimeLeft, m.Wait, o.m.p.now()+m.TimeLeft
				o.fresh = append(o.fresh, s)
			}
		}
	})
}

// take: the master was given a job.
func (o *observer) take(s *submission, from *conn, id uint64) {
	if s.order != 0 {
		o.w.fail(s.job, "one submission arrives twice")
	}
	o.orders++
	s.order, s.taken, s.waits, s.from, s.tag = o.orders, o.rounds, o.rounds, from, id
	o.open = append(o.open, s)
	if from != nil {
		o.tags[tag{from, id}] = s
	}
	if o.w.trace != nil {
		o.w.note(s.job, o.m.p.name, "takes it")
	}
}

func (o *observer) dropRunner(c *conn) {
	o.open = slices.DeleteFunc(o.open, func(s *submission) bool {
		if s.from != c {
			return false
		}
		delete(o.tags, tag{c, s.tag})
		s.over = o.rounds
		return true
	})
}

// toRunner sees what the master has sent to a runner.
func (o *observer) toRunner(c *conn, first, more []byte) {
	records(first, more, func(cmd protocol.Command, fields, _ []byte) {
		if cmd != protocol.CommandResult {
			return
		}
		m, err := protocol.ParseRunnerResult(fields)
		if err != nil {
			o.w.fail(nil, "%s sends a RESULT that is malformed: %v", o.m.p.name, err)
		}
		s := o.tags[tag{c, m.ID}]
		if s == nil {
			o.w.fail(nil, "%s sends a RESULT for a job that it has not, or has answered: %x", o.m.p.name, m.ID)
		}
		o.verdict(s, m.Outcome)
		o.settle(s)
		if o.w.trace != nil {
			o.w.note(s.job, o.m.p.name, "RESULT %s, may have run: %v", m.Outcome, m.MayHaveRun)
		}
	})
}

// verdict checks what only the master can know.
func (o *observer) verdict(s *submission, outcome protocol.Outcome) {
	w, m := o.w, o.m.p.name
	switch outcome { //nolint:exhaustive // the rest is answered by whoever had the job
	case protocol.OutcomeOK, protocol.OutcomeJobError:
		if s.late {
			w.fail(s.job, "%s hands on a result that came after the deadline", m)
		}
	case protocol.OutcomeBusy:
		if s.taken != o.rounds && o.m.looked >= s.deadline {
			w.fail(s.job, "%s lets it wait until its deadline and then says busy", m)
		}
	case protocol.OutcomeNoWorker:
		for _, r := range o.regs {
			if !r.gone && !r.drains && r.since < o.rounds && o.hub.HasWorker(r.conn.id) &&
				r.services&w.script.bit(s.job.service) != 0 && s.returns < 3 {
				w.fail(s.job, "%s says that there is no worker, and there is %s", m, r.conn.side[dealing].p.name)
			}
		}
	case protocol.OutcomeWorkerLost:
		if !s.claimed && !s.blind {
			w.fail(s.job, "%s says that it was lost with its worker, whose ledger shows that it was not started", m)
		}
	}
}

// settle: the master has answered.
func (o *observer) settle(s *submission) {
	s.over = o.rounds
	if s.from != nil {
		delete(o.tags, tag{s.from, s.tag})
	}
	for i, x := range o.open {
		if x == s {
			o.open = append(o.open[:i], o.open[i+1:]...)
			return
		}
	}
}

// fromWorker sees a message at the backend, or from a worker's own socket, before
// the master does.
func (o *observer) fromWorker(c *conn, first, more []byte) {
	if len(first) == 0 {
		return
	}
	records(first, more, func(cmd protocol.Command, fields, _ []byte) {
		switch cmd {
		case protocol.CommandRegister:
			reg, err := protocol.ParseRegistration(protocol.RoleWorker, fields)
			if err == nil {
				o.dropWorker(func(r *registration) bool { return r.conn == c || r.reg.Identity == reg.Identity })
				o.asked[c] = reg
			}
		case protocol.CommandBye:
			o.dropWorker(func(r *registration) bool { return r.conn == c })
		case protocol.CommandDrain:
			if r := o.find(c); r != nil {
				r.drains = true // what it was given before may be on its way
			}
		case protocol.CommandResult:
			if m, err := protocol.ParseWorkerResult(fields); err == nil {
				o.back(c, protocol.JobRef{ID: m.ID, Attempt: m.Attempt}, "RESULT")
			}
		case protocol.CommandReturn:
			if m, err := protocol.ParseJobRef(fields); err == nil {
				o.back(c, m, "RETURN")
			}
		}
	})
}

// back: a worker has answered a job.
func (o *observer) back(c *conn, ref protocol.JobRef, how string) {
	r := o.find(c)
	if r == nil {
		return
	}
	for i, h := range r.held {
		if h.ref == ref {
			r.held = append(r.held[:i], r.held[i+1:]...)
			if h.sub.on == r && h.sub.ref == ref {
				h.sub.on, h.sub.waits = nil, o.rounds
			}
			if how == "RETURN" {
				h.sub.returns++
			} else {
				h.sub.late = o.m.p.now() >= h.sub.deadline
			}
			if o.w.trace != nil {
				o.w.note(h.sub.job, o.m.p.name, "%s from %s", how, c.side[dealing].p.name)
			}
			return
		}
	}
	if _, ok := c.side[dealing].p.body.(*worker); ok {
		k := c.side[dealing].p
		o.w.fail(nil, "%s answers a job that it has not: %s %v", k.name, how, ref)
	}
}

func (o *observer) find(c *conn) *registration {
	for _, r := range o.regs {
		if r.conn == c && !r.gone {
			return r
		}
	}
	return nil
}

func (o *observer) dropWorker(which func(*registration) bool) {
	o.regs = slices.DeleteFunc(o.regs, func(r *registration) bool {
		if !which(r) {
			return false
		}
		r.gone = true
		o.lost++
		return true
	})
}

// toWorker sees what the master has sent to a worker.
func (o *observer) toWorker(c *conn, first, more []byte) {
	count := 0
	records(first, more, func(cmd protocol.Command, fields, payload []byte) {
		switch cmd {
		case protocol.CommandWelcome:
			m, err := protocol.ParseWelcome(fields)
			reg, ok := o.asked[c]
			if err != nil || !ok {
				o.w.fail(nil, "%s sends a WELCOME that nobody asked for, or that is malformed: %v", o.m.p.name, err)
			}
			delete(o.asked, c)
			if f := o.w.files[reg.Ledger]; f != nil && m.Ledger && o.m.p.rng.oneIn(o.w.script.BadLedgers) {
				o.w.saw(SightBadLedger)
				f.broken, m.Ledger = true, false // somebody shortens it now
			}
			o.regs = append(o.regs, &registration{
				conn: c, reg: reg, services: o.w.script.bits(reg.Services),
				most: reg.Capacity + min(m.Prefetch, reg.Prefetch), batch: m.Batch, ledger: m.Ledger, since: o.rounds,
				given: map[protocol.JobRef]struct{}{},
			})
		case protocol.CommandJob:
			count++
			r := o.find(c)
			if r == nil || !o.hub.HasWorker(c.id) {
				o.w.fail(o.w.jobOf(payload), "%s gives it to a worker that is not registered", o.m.p.name)
			}
			if count > max(r.batch, 1) {
				o.w.fail(o.w.jobOf(payload), "%s sends %d jobs in one message, granted were %d", o.m.p.name, count, r.batch)
			}
			o.give(r, fields, payload)
		case protocol.CommandCancel, protocol.CommandRecall:
			ref, err := protocol.ParseJobRef(fields)
			r := o.find(c)
			if err != nil || r == nil {
				o.w.fail(nil, "%s sends a %v to a worker that is not registered, or a malformed one: %v", o.m.p.name, cmd, err)
			}
			if _, ok := r.given[ref]; !ok {
				o.w.fail(nil, "%s sends a %v for a job before the job: %v", o.m.p.name, cmd, ref)
			}
		case protocol.CommandBye:
			if r := o.find(c); r != nil && r.draining && len(r.held) > 0 && !o.hub.Finished() {
				o.w.fail(r.held[0].sub.job, "%s lets its worker go, which has it", o.m.p.name)
			}
			delete(o.asked, c)
		}
	})
}

// give: the master has sent a job to a worker.
func (o *observer) give(r *registration, fields, payload []byte) {
	w, now := o.w, o.m.p.now()
	m, err := protocol.ParseWorkerJob(fields)
	if err != nil {
		w.fail(nil, "%s sends a JOB that is malformed: %v", o.m.p.name, err)
	}
	s, ref := w.submissionOf(m.Headers), protocol.JobRef{ID: m.ID, Attempt: m.Attempt}
	j := s.job
	if w.trace != nil {
		w.note(j, o.m.p.name, "JOB %x/%d to %s", m.ID, m.Attempt, r.conn.side[dealing].p.name)
	}
	r.held = append(r.held, held{ref, s})
	r.given[ref] = struct{}{}
	switch {
	case w.jobOf(payload) != j || string(m.Service) != j.service:
		w.fail(j, "it is given to a worker with another payload or service: %q", m.Service)
	case s.order == 0 || (s.over != 0 && s.over != o.rounds): // in one round the order is that of the sockets
		w.fail(j, "%s gives it to a worker although it is over", o.m.p.name)
	case s.on != nil && !s.on.gone && o.hub.HasWorker(s.on.conn.id):
		w.fail(j, "%s gives it to a second worker", o.m.p.name)
	case s.ref.ID != 0 && (ref.ID != s.ref.ID || ref.Attempt <= s.ref.Attempt):
		w.fail(j, "%s gives it out as %v after %v", o.m.p.name, ref, s.ref)
	case r.services&w.script.bit(j.service) == 0:
		w.fail(j, "%s gives it to a worker that does not offer its service", o.m.p.name)
	case r.draining:
		w.fail(j, "%s gives it to a worker that drains", o.m.p.name)
	case len(r.held) > r.most:
		w.fail(j, "%s gives it to a worker that has %d jobs, and takes %d", o.m.p.name, len(r.held)-1, r.most)
	case m.TimeLeft > max(s.deadline-now, 0): // 0 is over: nobody starts it
		w.fail(j, "%s gives it out %v after its deadline, with %v left", o.m.p.name, now-s.deadline, m.TimeLeft)
	}
	s.on, s.ref = r, ref
	s.blind = s.blind || !r.ledger
	n := w.script.number(j.service)
	o.given[n] = max(o.given[n], s.order)
}
