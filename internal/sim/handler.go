// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"time"

	"github.com/powerhose/powerhose/internal/session"
	"github.com/powerhose/powerhose/protocol"
)

// What can happen to a run.
const (
	runBegin uint32 = iota
	runEnd
)

func (r *run) happen(what uint32) {
	k := r.k
	w := k.w
	if k.p.dead || k.slots[r.slot] != r {
		w.ignored()
		return
	}
	if k.p.paused {
		w.ignored()
		w.at(k.p.until+k.p.rng.about(20*time.Microsecond), r, what)
		return
	}
	switch what {
	case runBegin:
		r.began, r.still = w.now, k.p.standstill()
		r.call = w.begin(r.sub, k.p.name)
		if r.end == 0 { // else it is cancelled already
			r.end = w.now + r.sub.job.run
		}
		w.at(r.end, r, runEnd)
	case runEnd:
		if r.end > w.now || r.took > 0 {
			w.ignored()
			return
		}
		// A handler computes: while its process stands still nothing happens.
		if still := k.p.standstill(); still > r.still {
			r.end = w.now + still - r.still
			r.still = still
			w.at(r.end, r, runEnd)
			w.ignored()
			return
		}
		r.took = w.now - r.began + 1
		w.end(r.sub.job, r.call, k.p.name)
		k.tasks = append(k.tasks, workerTask{done: r})
		k.p.kick()
	}
}

// cancel tells the handler that nobody waits for it any more.
func (r *run) cancel() {
	w := r.k.w
	if r.sub.job.stubborn || r.took > 0 {
		return
	}
	at := w.now + r.k.p.rng.about(50*time.Microsecond)
	if r.call == 0 {
		r.end = at
	} else if at < r.end {
		r.end = at
		w.at(at, r, runEnd)
	}
}

// answer sends the result of a job, or puts it into the outbox, as package worker
// does.
func (k *worker) answer(a *session.WorkerAction) {
	r := k.finished
	j := r.sub.job
	res := protocol.WorkerResult{ID: a.Ref.ID, Attempt: a.Ref.Attempt, Run: r.took}
	if j.fails {
		res.Status = protocol.StatusError
	}
	if k.spec.Silent {
		res.Run = 0
	}
	payload := k.w.result(j, r.call)
	if k.batch < 2 || len(payload) > workerBatchPayload {
		k.flush()
		k.scratch = res.Append(k.scratch[:0])
		k.send(a.Peer, k.scratch, payload, true)
		return
	}
	b := &k.box
	if b.n > 0 && (b.peer != a.Peer || len(b.frame)+len(payload) > workerBatchBytes) {
		k.flush()
	}
	if b.n == 0 {
		b.frame, b.peer, b.since = protocol.AppendBatchHeader(b.frame[:0], protocol.RoleWorker), a.Peer, k.p.now()
	}
	frame, err := res.AppendRecord(b.frame, payload)
	if err != nil {
		k.w.fail(j, "%s: %v", k.p.name, err)
	}
	b.frame, b.last = frame, r.took
	b.n++
	if b.n >= k.batch {
		k.flush()
	}
}

// holds tells whether the results in the outbox may wait for the next one.
func (k *worker) holds() bool {
	b := &k.box
	return b.n > 0 && b.n < workerHoldMany && b.last < workerQuick && k.session.Running() > 0 && k.p.now()-b.since < workerHoldFor
}

func (k *worker) flush() {
	if k.box.n > 0 {
		k.box.n = 0
		k.send(k.box.peer, k.box.frame, nil, false)
	}
}

// noteDeadlines keeps until when the jobs of a message that has just arrived may
// start.
func (k *worker) noteDeadlines() {
	records(k.msg.Frames[0], second(k.msg.Frames), func(cmd protocol.Command, fields, _ []byte) {
		if cmd != protocol.CommandJob {
			return
		}
		if m, err := protocol.ParseWorkerJob(fields); err == nil {
			s := k.w.submissionOf(m.Headers)
			s.startBy, s.startOn = k.p.now()+m.TimeLeft, k
		}
	})
}
