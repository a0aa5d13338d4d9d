// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/powerhose/powerhose/internal/session"
	"github.com/powerhose/powerhose/protocol"
)

func (r *runner) fromMaster(l *runnerLink) {
	m := &l.msg
	if m.IsProbe() {
		r.step(&session.RunnerEvent{Kind: session.RunnerProbe, Master: l.index})
		return
	}
	head, fields, err := protocol.ParseHeader(m.Frames[0])
	if err != nil || (head.Role != protocol.RoleRunner && head.Command != protocol.CommandError) ||
		head.Frames(protocol.FromMaster) != len(m.Frames) {
		r.w.fail(nil, "%s gets a malformed message: %x %v", r.p.name, m.Frames[0], err)
	}
	ev := session.RunnerEvent{Kind: session.RunnerHeard, Master: l.index}
	switch head.Command {
	case protocol.CommandBatch, protocol.CommandResult:
		records(m.Frames[0], second(m.Frames), func(_ protocol.Command, fields, payload []byte) {
			res, err := protocol.ParseRunnerResult(fields)
			if err != nil {
				r.w.fail(nil, "%s gets a malformed RESULT: %v", r.p.name, err)
			}
			r.step(&session.RunnerEvent{
				Kind: session.RunnerResult, Master: l.index, ID: res.ID, Outcome: res.Outcome,
				MayHaveRun: res.MayHaveRun, RetryAfter: res.RetryAfter, Payload: payload,
			})
		})
		return
	case protocol.CommandWelcome:
		w, err := protocol.ParseWelcome(fields)
		if err != nil {
			r.w.fail(nil, "%s gets a malformed WELCOME: %v", r.p.name, err)
		}
		ev.Kind, ev.Welcome = session.RunnerWelcome, &w
	case protocol.CommandError:
		ev.Kind = session.RunnerError
		ev.Err, err = protocol.ParsePeerError(fields)
		if err != nil {
			r.w.fail(nil, "%s gets a malformed ERROR: %v", r.p.name, err)
		}
	case protocol.CommandPing:
		ev.Kind = session.RunnerPing
	case protocol.CommandDrain:
		ev.Kind = session.RunnerDrain
	}
	r.step(&ev)
}

// control sends a message of one frame.
func (r *runner) control(l *runnerLink, frame []byte) {
	r.scratch = frame
	if l.dealer.Send1(frame) != nil {
		r.step(&session.RunnerEvent{Kind: session.RunnerUnsent, Master: l.index})
	}
}

// sendJobs sends what the session wants sent, as client.sendJobs does.
func (r *runner) sendJobs() {
	r.p.look()
	for master, j := r.session.Next(); j != nil; master, j = r.session.Next() {
		l := r.links[master]
		r.batch.link, r.batch.jobs = l, append(r.batch.jobs, j)
		if l.batch > 0 && j.PayloadSize <= runnerBatchPayload {
			r.addToBatch(l, j.Ref.(*runnerCall))
		} else {
			r.sendAlone(l, j.Ref.(*runnerCall))
		}
	}
	if r.batch.count > 0 {
		r.sendBatch(r.batch.link)
	}
}

// header describes the job to a master, and notes that it is on its way.
func (r *runner) header(c *runnerCall) protocol.RunnerJob {
	s := r.w.submit(c.job, c.Retries)
	s.told = c.TimeLeft(r.p.now())
	if s.told > max(c.job.deadline-r.p.now(), 0) {
		r.w.fail(c.job, "a master is told %v, left are %v", s.told, c.job.deadline-r.p.now())
	}
	wait, left := c.WaitLeft(r.p.now()), c.job.deadline-r.p.now()
	if most := c.job.wait; s.first && most >= 0 && (wait > most || wait < 0 && most < left) {
		r.w.fail(c.job, "a master is told that it may wait %v, and it may wait %v", wait, most)
	}
	if r.w.trace != nil {
		r.w.note(c.job, r.p.name, "sent to master%d with %v and %d retries left", r.batch.link.index, s.told, c.Retries)
	}
	return protocol.RunnerJob{
		ID: c.ID(), TimeLeft: s.told, Wait: wait, Retries: c.Retries,
		Service: []byte(c.job.service), Headers: r.w.headers(s),
	}
}

func (r *runner) addToBatch(l *runnerLink, c *runnerCall) {
	b := &r.batch
	job := r.header(c)
	payload := r.w.payload(c.job)
	size := protocol.RecordOverhead + job.FieldsLen() + len(payload)
	if b.count > 0 && len(b.frame)+size > runnerBatchBytes && !r.sendBatch(l) {
		return
	}
	if b.count == 0 {
		b.frame = protocol.AppendBatchHeader(b.frame[:0], protocol.RoleRunner)
	}
	frame, err := job.AppendRecord(b.frame, payload)
	if err != nil {
		r.w.fail(c.job, "it fits into no message: %v", err)
	}
	b.frame = frame
	b.count++
	if b.count == l.batch {
		r.sendBatch(l)
	}
}

func (r *runner) sendBatch(l *runnerLink) bool {
	b := &r.batch
	if l.dealer.Send1(b.frame) != nil {
		r.unsent(l)
		return false
	}
	b.jobs = b.jobs[:copy(b.jobs, b.jobs[b.count:])]
	b.count = 0
	return true
}

func (r *runner) sendAlone(l *runnerLink, c *runnerCall) {
	b := &r.batch
	if b.count > 0 && !r.sendBatch(l) {
		return
	}
	frame, err := r.header(c).Append(b.frame[:0])
	if err != nil {
		r.w.fail(c.job, "it fits into no message: %v", err)
	}
	b.frame = frame
	if l.dealer.Send2(frame, r.w.payload(c.job)) != nil {
		r.unsent(l)
		return
	}
	b.jobs = b.jobs[:0]
}

func (r *runner) unsent(l *runnerLink) {
	b := &r.batch
	r.step(&session.RunnerEvent{Kind: session.RunnerUnsent, Master: l.index, Jobs: b.jobs})
	clear(b.jobs)
	b.jobs, b.count = b.jobs[:0], 0
}

// stranger returns a link to a master that is there and does not know the runner,
// nil if there is none.
func (r *runner) stranger() *runnerLink {
	for _, l := range r.links {
		pl := r.w.places[l.index]
		if pl.alive() && (l.dealer.conn == nil || !pl.p.body.(*master).hub.HasRunner(l.dealer.conn.id)) {
			return l
		}
	}
	return nil
}
