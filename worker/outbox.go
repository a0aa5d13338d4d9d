// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"fmt"
	"time"

	"github.com/powerhose/powerhose/protocol"
)

const (
	// batchPayload is up to which size a result is copied into a batch: beyond
	// it a frame of its own is cheaper than the copy. batchBytes is how long a
	// batch grows; every master allows at least that.
	batchPayload = 8 << 10
	batchBytes   = 60 << 10

	// quick is how fast a handler must have been to have its result wait for
	// that of the next job, which is running already. holdMany and holdFor are
	// how many results are held back that way and for how long: enough to share
	// the cost of a message, and few enough that the master is not left waiting
	// for them. holdMost is when they leave although the next job turned out to
	// be slow.
	quick    = 20 * time.Microsecond
	holdMany = 16
	holdFor  = 50 * time.Microsecond
	holdMost = 200 * time.Microsecond
)

// outbox is a BATCH of results that grows. It belongs to whoever works the
// queue.
type outbox struct {
	frame []byte
	n     int
	peer  string        // where it goes, as session.WorkerEvent.Peer
	since time.Duration // when the first record came, valid while n > 0
	last  time.Duration // run time of the latest record
}

func (b *outbox) drop() { b.n = 0 }

// answer sends the result of r, or puts it into the outbox.
func (e *engine) answer(ref protocol.JobRef, peer string, r *run) {
	if int64(len(r.payload)) > e.maxMessage {
		r.fail(fmt.Sprintf("the result has %d octets, the largest message is %d", len(r.payload), e.maxMessage))
	}
	res := protocol.WorkerResult{ID: ref.ID, Attempt: ref.Attempt, Status: r.status, Run: r.took}
	if e.batch < 2 || len(r.payload) > batchPayload {
		e.flush()
		e.scratch = res.Append(e.scratch[:0])
		e.send2(peer, e.scratch, r.payload)
		return
	}
	b := &e.box
	if b.n > 0 && (b.peer != peer || len(b.frame)+len(r.payload) > batchBytes) {
		e.flush()
	}
	if b.n == 0 {
		b.frame, b.peer, b.since = protocol.AppendBatchHeader(b.frame[:0], protocol.RoleWorker), peer, e.now
	}
	frame, err := res.AppendRecord(b.frame, r.payload)
	if err != nil {
		e.fail(err) // its length was checked
		return
	}
	b.frame, b.last = frame, r.took
	b.n++
	if b.n >= e.batch {
		e.flush()
	}
}

// holds tells whether the results in the outbox may wait for the next one: jobs
// that take no longer than a message does are on their way.
func (e *engine) holds() bool {
	b := &e.box
	return b.n > 0 && b.n < holdMany && b.last < quick && e.session.Running() > 0 && e.now-b.since < holdFor
}

// flush sends what is in the outbox.
func (e *engine) flush() {
	if e.box.n > 0 {
		e.box.n = 0
		e.send1(e.box.peer, e.box.frame)
	}
}
