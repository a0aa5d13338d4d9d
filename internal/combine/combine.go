// SPDX-License-Identifier: Apache-2.0

// Package combine lets many goroutines act on one piece of state without a
// goroutine that owns it for ever and without waiting for each other. Whoever
// adds a task while nobody is at work becomes the owner, and works until
// nothing is left; whoever adds one meanwhile just leaves it and goes on. This
// is flat combining (Hendler, Incze, Shavit, Tzafrir: "Flat Combining and the
// Synchronization-Parallelism Tradeoff", SPAA 2010) with the owner's turn
// bounded: for a single caller it costs one uncontended lock, and with many
// callers one of them sends for all.
package combine

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Rounds is how many rounds of work one goroutine does for others before it
// hands them to the relief goroutine: a caller whose own task is long done must
// get away in the end.
const Rounds = 16

// A yield that took longer than slowYield shows that the processors are busy
// with something else: for the next noYield nobody yields.
const (
	slowYield = 200 * time.Microsecond
	noYield   = 10 * time.Millisecond
)

// Queue holds the tasks of one piece of state. Use New. All methods may be
// called from any goroutine.
type Queue[T any] struct {
	// work applies the tasks and reports whether it wants to be called again
	// although no task may be there. It is never called concurrently, and each
	// call sees what the calls before it did.
	work func(tasks []T) (again bool)

	mu     sync.Mutex
	tasks  []T       // guarded by mu
	yields bool      // guarded by mu: whoever added the first of the tasks lets others run before it becomes the owner
	owned  bool      // guarded by mu: some goroutine is at work and will look here before it leaves
	kicked bool      // guarded by mu: the owner must call work once more
	closed bool      // guarded by mu: nothing is accepted any more
	idle   sync.Cond // on mu: owned or yields became false after closed became true

	crowded atomic.Bool  // see SetCrowded
	hurried atomic.Int64 // until when nobody yields, in nanoseconds since epoch

	spare  []T           // belongs to the owner: the other half of the double buffer
	relief chan struct{} // hands ownership to the relief goroutine; closed by Close
	ended  sync.WaitGroup
}

// New returns a Queue around work and starts its relief goroutine, which Close
// ends.
func New[T any](work func(tasks []T) (again bool)) *Queue[T] {
	q := &Queue[T]{work: work, relief: make(chan struct{}, 1)}
	q.idle.L = &q.mu
	q.ended.Add(1)
	go func() {
		defer q.ended.Done()
		for range q.relief {
			q.own(0)
		}
	}()
	return q
}

// Add leaves a task. It may be applied by the time Add returns, or shortly
// after by another goroutine. It reports false, and drops the task, after Close.
func (q *Queue[T]) Add(task T) bool {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false
	}
	q.tasks = append(q.tasks, task)
	switch {
	case q.owned, q.yields:
		q.mu.Unlock() // somebody is about to take it
	case q.crowded.Load() && q.mayYield():
		q.yields = true
		q.mu.Unlock()
		q.gather()
	default:
		q.enter()
	}
	return true
}

// Crowd is how many calls in flight make a crowd of callers, for SetCrowded:
// fewer are done one by one before a yield would have paid.
const Crowd = 4

// SetCrowded tells whether many goroutines are likely to add tasks at the same
// time, as they do when a message brought the results that all of them waited
// for. Whoever adds the first task then lets the others that can run go first, so
// that one round of work does all their tasks, instead of a whole round for the
// one and another for the rest. Nobody waits: the tasks are anybody's who kicks.
func (q *Queue[T]) SetCrowded(crowded bool) {
	if q.crowded.Load() != crowded {
		q.crowded.Store(crowded)
	}
}

// gather lets others run, and works unless somebody did meanwhile.
func (q *Queue[T]) gather() {
	start := time.Since(epoch)
	runtime.Gosched()
	if end := time.Since(epoch); end-start > slowYield {
		q.hurried.Store(int64(end + noYield))
	}
	q.mu.Lock()
	q.yields = false
	if len(q.tasks) == 0 && !q.owned {
		q.leave() // for Close, which may wait
		return
	}
	q.enter()
}

func (q *Queue[T]) mayYield() bool {
	hurried := q.hurried.Load()
	return hurried == 0 || int64(time.Since(epoch)) >= hurried
}

// epoch is when time begins.
var epoch = time.Now()

// Kick has work called once more, with whatever tasks there are.
func (q *Queue[T]) Kick() {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return
	}
	q.kicked = true
	q.enter()
}

// enter makes the caller the owner if there is none. It unlocks mu.
func (q *Queue[T]) enter() {
	if q.owned {
		q.mu.Unlock()
		return
	}
	q.owned = true
	q.mu.Unlock()
	q.own(Rounds)
}

// own works until nothing is left, or for that many rounds; 0 means no bound.
func (q *Queue[T]) own(rounds int) {
	again := false
	for n := 1; ; n++ {
		q.mu.Lock()
		if !again && !q.kicked && len(q.tasks) == 0 {
			q.leave()
			return
		}
		tasks := q.tasks
		q.tasks, q.spare = q.spare[:0], nil
		q.kicked = false
		q.mu.Unlock()

		again = q.work(tasks)
		clear(tasks) // a task done must not be kept alive by the buffer
		q.spare = tasks[:0]

		if n == rounds {
			q.handOver(again)
			return
		}
	}
}

// handOver leaves ownership to the relief goroutine.
func (q *Queue[T]) handOver(again bool) {
	q.mu.Lock()
	if again {
		q.kicked = true
	}
	if !q.kicked && len(q.tasks) == 0 {
		q.leave()
		return
	}
	q.mu.Unlock()
	q.relief <- struct{}{} // never blocks: only the owner sends, and the relief took the last
}

// leave ends the ownership. It unlocks mu.
func (q *Queue[T]) leave() {
	q.owned = false
	if q.closed {
		q.idle.Broadcast()
	}
	q.mu.Unlock()
}

// Close applies what was added so far, refuses everything else, and returns
// when nobody is at work any more. It must not be called from work.
func (q *Queue[T]) Close() {
	q.mu.Lock()
	first := !q.closed
	q.closed = true
	for q.owned || q.yields {
		q.idle.Wait()
	}
	q.mu.Unlock()
	if first {
		close(q.relief)
	}
	q.ended.Wait()
}
