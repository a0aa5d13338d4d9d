// SPDX-License-Identifier: Apache-2.0

package session

import "time"

// runnerTimers is a heap of jobs by time, with four children a node and the
// times beside the pointers: sifting compares neighbours in memory and follows
// a pointer only for what moves. Every job passes through it.
type runnerTimers []runnerTimer

type runnerTimer struct {
	at  time.Duration
	job *RunnerJob
}

const timerFan = 4

// arm sets or changes the one timer of the job.
func (h *runnerTimers) arm(j *RunnerJob, at time.Duration) {
	t := runnerTimer{at: at, job: j}
	if j.timer < 0 {
		*h = append(*h, t)
		h.up(len(*h)-1, t)
		return
	}
	h.place(int(j.timer), t)
}

// disarm removes the timer of the job, if it has one.
func (h *runnerTimers) disarm(j *RunnerJob) {
	i := int(j.timer)
	if i < 0 {
		return
	}
	j.timer = -1
	last := len(*h) - 1
	moved := (*h)[last]
	(*h)[last] = runnerTimer{}
	*h = (*h)[:last]
	if i < last {
		h.place(i, moved)
	}
}

// place puts t where i is, and then where it belongs.
func (h runnerTimers) place(i int, t runnerTimer) {
	if i > 0 && t.at < h[(i-1)/timerFan].at {
		h.up(i, t)
		return
	}
	h.down(i, t)
}

func (h runnerTimers) up(i int, t runnerTimer) {
	for i > 0 {
		parent := (i - 1) / timerFan
		if h[parent].at <= t.at {
			break
		}
		h[i] = h[parent]
		h[i].job.timer = int32(i)
		i = parent
	}
	h[i] = t
	t.job.timer = int32(i)
}

func (h runnerTimers) down(i int, t runnerTimer) {
	for {
		first := i*timerFan + 1
		if first >= len(h) {
			break
		}
		least := first
		for child := first + 1; child < min(first+timerFan, len(h)); child++ {
			if h[child].at < h[least].at {
				least = child
			}
		}
		if t.at <= h[least].at {
			break
		}
		h[i] = h[least]
		h[i].job.timer = int32(i)
		i = least
	}
	h[i] = t
	t.job.timer = int32(i)
}
