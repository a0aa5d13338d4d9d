// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"

	"github.com/powerhose/powerhose/protocol"
)

// workerJobs are the jobs of the current registration in the order received,
// and those that run.
type workerJobs struct {
	received uint64 // JOBs since REGISTER
	most     int    // jobs that may wait and run together

	queue []WorkerJob // queue[head:] wait
	head  int

	slots   []workerSlot // one for each job that may run at once
	free    []int        // slots without a job, the latest used one last
	running int
}

type workerSlot struct {
	job   WorkerJob // set only while busy
	busy  bool
	stale bool // of a lost registration: nobody waits for its result
}

func newWorkerJobs(capacity, most int) workerJobs {
	q := workerJobs{most: most, slots: make([]workerSlot, capacity)}
	for slot := capacity - 1; slot >= 0; slot-- {
		q.free = append(q.free, slot)
	}
	return q
}

func (q *workerJobs) waiting() int { return len(q.queue) - q.head }

func (q *workerJobs) push(j *WorkerJob) {
	if len(q.queue) == cap(q.queue) && q.head > 0 {
		n := copy(q.queue, q.queue[q.head:])
		clear(q.queue[n:])
		q.queue, q.head = q.queue[:n], 0
	}
	q.queue = append(q.queue, *j)
}

// first is the job that waits longest. There must be one.
func (q *workerJobs) first() *WorkerJob { return &q.queue[q.head] }

func (q *workerJobs) drop() {
	q.queue[q.head] = WorkerJob{} // do not keep its payload
	q.head++
	if q.head == len(q.queue) {
		q.queue, q.head = q.queue[:0], 0
	}
}

func (q *workerJobs) clear() {
	clear(q.queue)
	q.queue, q.head = q.queue[:0], 0
}

// take removes a waiting job, and reports whether it was there.
func (q *workerJobs) take(ref protocol.JobRef) bool {
	for i := q.head; i < len(q.queue); i++ {
		if j := &q.queue[i]; j.ID == ref.ID && j.Attempt == ref.Attempt {
			q.queue = slices.Delete(q.queue, i, i+1)
			return true
		}
	}
	return false
}

// slotOf returns where a job runs whose result is still wanted, -1 if nowhere.
func (q *workerJobs) slotOf(ref protocol.JobRef) int {
	for slot := range q.slots {
		s := &q.slots[slot]
		if s.busy && !s.stale && s.job.ID == ref.ID && s.job.Attempt == ref.Attempt {
			return slot
		}
	}
	return -1
}

// accept takes a new job.
func (w *Worker) accept(j *WorkerJob) {
	_, offered := w.services[string(j.Service)]
	switch {
	case !offered:
		w.giveBack(j)
	case w.jobs.waiting() == 0 && len(w.jobs.free) > 0:
		w.start(j)
	case w.jobs.waiting()+w.jobs.running < w.jobs.most:
		w.jobs.push(j)
	default:
		w.giveBack(j)
	}
}

// startNext starts what waits while there is room, in the order received.
func (w *Worker) startNext() {
	for w.jobs.waiting() > 0 && len(w.jobs.free) > 0 {
		w.start(w.jobs.first())
		w.jobs.drop()
	}
}

// start starts a job, or gives it back if its time is over.
func (w *Worker) start(j *WorkerJob) {
	if j.Deadline <= w.now {
		w.giveBack(j)
		return
	}
	last := len(w.jobs.free) - 1
	slot := w.jobs.free[last]
	w.jobs.free = w.jobs.free[:last]
	w.jobs.running++
	s := &w.jobs.slots[slot]
	*s = workerSlot{job: *j, busy: true}
	w.emit(WorkerAction{Kind: WorkerStart, Slot: slot, Job: &s.job})
}

func (w *Worker) giveBack(j *WorkerJob) {
	w.emit(WorkerAction{Kind: WorkerReturn, Ref: refOf(j), Peer: j.Peer})
}

func refOf(j *WorkerJob) protocol.JobRef { return protocol.JobRef{ID: j.ID, Attempt: j.Attempt} }

// release frees a slot. It reports false for one that has no job.
func (w *Worker) release(slot int) (job workerSlot, ok bool) {
	if slot < 0 || slot >= len(w.jobs.slots) || !w.jobs.slots[slot].busy {
		return workerSlot{}, false
	}
	job = w.jobs.slots[slot]
	w.jobs.slots[slot] = workerSlot{}
	w.jobs.free = append(w.jobs.free, slot)
	w.jobs.running--
	return job, true
}

func (w *Worker) done(slot int) {
	s, ok := w.release(slot)
	if !ok {
		return
	}
	if !s.stale {
		w.emit(WorkerAction{Kind: WorkerResult, Slot: slot, Ref: refOf(&s.job), Peer: s.job.Peer})
		w.startNext()
	}
	w.emptied()
}

// fenced: the master has closed the ledger, so nothing of this registration
// will start, and no result of it is taken. The answer to a PING tells what
// comes next.
func (w *Worker) fenced(slot int) {
	s, ok := w.release(slot)
	if !ok {
		return
	}
	if !s.stale && w.state == workerRegistered {
		w.forget(WorkerEvicted)
		w.fence = true
		w.send(protocol.CommandPing)
	}
	w.emptied()
}

// emptied does what waited for the last handler to return.
func (w *Worker) emptied() {
	if w.jobs.running > 0 {
		return
	}
	w.stuck = -1
	switch {
	case w.draining && (w.state == workerConnecting || w.state == workerEvicted):
		w.end(WorkerDrained, "")
	case w.state == workerEvicted:
		w.register()
	}
}
