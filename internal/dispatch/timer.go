// SPDX-License-Identifier: Apache-2.0

package dispatch

// timer is one pending moment of a job, a worker or a runner, which embeds it:
// arming and cancelling allocate nothing. Exactly one of job, worker and runner
// is set, for ever.
type timer struct {
	at    Time
	index int // place in the heap, -1 while not armed
	kind  timerKind
	held  bool // taken out of the heap by onTick, to be put back

	job    *job
	worker *worker
	runner *runner
}

type timerKind uint8

const (
	timerJob    timerKind = iota // startBy, deadline or end of the grace, by the job's state
	timerBeat                    // a worker's next look at its heartbeats
	timerRecall                  // a worker with prefetched jobs is overdue
	timerRunner                  // a runner's next look at its heartbeats
	timerDrain                   // the end of the drain
)

// judges tells whether the timer is about what a peer has not sent.
func (t *timer) judges() bool {
	switch t.kind {
	case timerBeat, timerRunner, timerRecall:
		return true
	case timerJob:
		return t.job.state == jobAbandoned // its result may be here, or the answer to its CANCEL
	case timerDrain:
	}
	return false
}

// timers is a binary heap by time. It is written out, instead of used through
// container/heap, because every job passes through it twice.
type timers []*timer

func (h *timers) arm(t *timer, at Time) {
	t.at = at
	if t.index < 0 {
		t.index = len(*h)
		*h = append(*h, t)
		h.up(t.index)
		return
	}
	if !h.down(t.index) {
		h.up(t.index)
	}
}

func (h *timers) cancel(t *timer) {
	i := t.index
	t.held = false
	if i < 0 {
		return
	}
	t.index = -1
	last := len(*h) - 1
	moved := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	if i == last {
		return
	}
	(*h)[i] = moved
	moved.index = i
	if !h.down(i) {
		h.up(i)
	}
}

func (h timers) up(i int) {
	t := h[i]
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent].at <= t.at {
			break
		}
		h[i] = h[parent]
		h[i].index = i
		i = parent
	}
	h[i] = t
	t.index = i
}

// down reports whether t moved.
func (h timers) down(i int) bool {
	t, start := h[i], i
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if right := child + 1; right < len(h) && h[right].at < h[child].at {
			child = right
		}
		if t.at <= h[child].at {
			break
		}
		h[i] = h[child]
		h[i].index = i
		i = child
	}
	h[i] = t
	t.index = i
	return i != start
}
