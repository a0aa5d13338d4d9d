// SPDX-License-Identifier: Apache-2.0

package sim

import "time"

// An actor is something to which events happen.
type actor interface{ happen(what uint32) }

// event is one thing that will happen. What it is about is up to its actor. There
// is no way to take one back: an actor that changed its mind ignores it.
type event struct {
	at   time.Duration
	seq  uint64 // events at one moment happen in the order in which they were made
	to   actor
	what uint32
}

func (e *event) before(f *event) bool {
	return e.at < f.at || (e.at == f.at && e.seq < f.seq)
}

// queue is the future: a heap with four children a node.
type queue struct {
	heap []event
	seq  uint64
}

const fan = 4

func (q *queue) push(at time.Duration, to actor, what uint32) {
	q.seq++
	e := event{at: at, seq: q.seq, to: to, what: what}
	q.heap = append(q.heap, e)
	i := len(q.heap) - 1
	for i > 0 {
		parent := (i - 1) / fan
		if !e.before(&q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		i = parent
	}
	q.heap[i] = e
}

// pop removes the next event. There must be one.
func (q *queue) pop() event {
	h := q.heap
	next, last := h[0], len(h)-1
	e := h[last]
	h[last] = event{}
	q.heap = h[:last]
	if last == 0 {
		return next
	}
	h, i := q.heap, 0
	for {
		first := i*fan + 1
		if first >= last {
			break
		}
		least := first
		for child := first + 1; child < min(first+fan, last); child++ {
			if h[child].before(&h[least]) {
				least = child
			}
		}
		if !h[least].before(&e) {
			break
		}
		h[i] = h[least]
		i = least
	}
	h[i] = e
	return next
}
