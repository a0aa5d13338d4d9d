// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"encoding/binary"
	"slices"
	"time"
)

type workerState uint8

const (
	workerReady    workerState = iota // in its class's heap
	workerDraining                    // takes nothing new; ActionBye when it has nothing left
	workerEvicting                    // ActionEvict is out; EventWorkerDown is to come
)

// unmeasured is the cost of a job whose run time nobody knows: more than any
// budget, so that nothing is prefetched behind it.
const unmeasured = time.Hour

type worker struct {
	id       WorkerID
	state    workerState
	class    *class
	heap     int // place in the class's heap, -1 while not in it
	capacity int
	prefetch int

	jobs     list          // assigned and abandoned ones, in the order of assignment
	behind   *job          // the first beyond its capacity, nil if there is none
	assigned uint64        // assignments so far
	turn     uint64        // order among all workers of its latest assignment or becoming idle
	backlog  time.Duration // sum of its jobs' costs

	lastSeen     Time
	lastProgress Time // its latest result, or assignment when it had none
	beat, recall timer

	done, failed uint64
}

func (w *worker) idle() bool { return w.jobs.n == 0 }

// less orders workers by who should get the next job: least loaded first,
// among those the one that waited longest.
func (w *worker) less(v *worker) bool {
	a, b := w.jobs.n*v.capacity, v.jobs.n*w.capacity
	if a != b {
		return a < b
	}
	return w.turn < v.turn
}

// room reports whether w may be given one more job of that cost.
func (c *Core) room(w *worker, cost time.Duration) bool {
	if w.jobs.n < w.capacity {
		return true
	}
	budget := c.cfg.PrefetchBudget * time.Duration(w.capacity)
	return w.jobs.n < w.capacity+w.prefetch && w.backlog+cost <= budget && c.now < c.overdue(w)
}

// overdue is when w, which has a job, counts as stuck with a longer one than
// its estimate: from then on nothing more is prefetched there, and what was is
// taken back when another worker is idle.
func (c *Core) overdue(w *worker) Time { return w.lastProgress.Add(2 * c.cfg.PrefetchBudget) }

// class is the ready workers that offer the same services.
type class struct {
	key      string
	services []*service
	heap     []*worker // by less
	workers  int       // of any state
	capacity int       // of the ready ones
	prefetch bool      // whether any of them ever offered prefetch
}

func (k *class) offers(s *service) bool { return slices.Contains(s.classes, k) }

func (k *class) push(w *worker) {
	w.heap = len(k.heap)
	k.heap = append(k.heap, w)
	k.capacity += w.capacity
	k.fix(w)
}

func (k *class) drop(w *worker) {
	i, last := w.heap, len(k.heap)-1
	if i < 0 {
		return
	}
	w.heap = -1
	k.capacity -= w.capacity
	moved := k.heap[last]
	k.heap[last] = nil
	k.heap = k.heap[:last]
	if i != last {
		k.heap[i] = moved
		moved.heap = i
		k.fix(moved)
	}
}

// fix restores the heap after w's load changed.
func (k *class) fix(w *worker) {
	i := w.heap
	if i < 0 {
		return
	}
	for i > 0 && w.less(k.heap[(i-1)/2]) {
		k.swap(i, (i-1)/2)
		i = w.heap
	}
	for {
		child := 2*i + 1
		if child >= len(k.heap) {
			return
		}
		if r := child + 1; r < len(k.heap) && k.heap[r].less(k.heap[child]) {
			child = r
		}
		if !k.heap[child].less(w) {
			return
		}
		k.swap(i, child)
		i = child
	}
}

func (k *class) swap(i, j int) {
	k.heap[i], k.heap[j] = k.heap[j], k.heap[i]
	k.heap[i].heap, k.heap[j].heap = i, j
}

// service is one name of a kind of job. It exists while a class offers it or a
// job waits for it.
type service struct {
	name     string
	classes  []*class
	queue    list // waiting jobs, in order of arrival
	estimate estimate
	measured Time // when the estimate last learned something
	running  int  // jobs of it that workers have
	backlog  int  // place in Core.backlog, -1 while nothing waits
}

// capacity is how many jobs of the service can run at once.
func (s *service) capacity() int {
	n := 0
	for _, k := range s.classes {
		n += k.capacity
	}
	return n
}

// confirmAfter is how long an estimate is believed although nothing is measured
// any more.
const confirmAfter = time.Second

// unconfirmed reports that no job of the service is on its way, and none was
// measured lately. An estimate that refuses every job could never be corrected:
// the next one is let through whatever the estimate says.
func (c *Core) unconfirmed(s *service) bool {
	return s.running == 0 && s.queue.n == 0 && c.now.Sub(s.measured) >= confirmAfter
}

// offered reports whether any ready worker offers the service.
func (s *service) offered() bool {
	for _, k := range s.classes {
		if len(k.heap) > 0 {
			return true
		}
	}
	return false
}

// cost is what a job of the service adds to a worker's backlog.
func (s *service) cost() time.Duration {
	if s.estimate.high == 0 {
		return unmeasured
	}
	return s.estimate.high
}

// candidates is how many of the least loaded workers of a class are considered
// for prefetch: the first may have a long job while the next has short ones.
const candidates = 4

// pick returns the worker that should run the next job of s, or nil when none
// has room.
func (c *Core) pick(s *service) *worker {
	var best *worker
	cost := s.cost()
	for _, k := range s.classes {
		n := 1
		if k.prefetch {
			n = candidates
		}
		for _, w := range k.heap[:min(n, len(k.heap))] {
			if c.room(w, cost) && (best == nil || w.less(best)) {
				best = w
			}
		}
	}
	return best
}

// idleWorker reports whether an idle ready worker offers s.
func (s *service) idleWorker() bool {
	for _, k := range s.classes {
		if len(k.heap) > 0 && k.heap[0].idle() {
			return true
		}
	}
	return false
}

func (c *Core) serviceOf(name string) *service {
	s := c.services[name]
	if s == nil {
		s = &service{name: name, queue: list{of: queueLink}, backlog: -1}
		c.services[name] = s
	}
	return s
}

// release forgets s when nothing holds it any more.
func (c *Core) release(s *service) {
	if len(s.classes) == 0 && s.queue.n == 0 {
		delete(c.services, s.name)
	}
}

func (c *Core) classOf(names []string) *class {
	names = slices.Clone(names)
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 {
		names = []string{""}
	}
	key := classKey(names)
	k := c.classes[key]
	if k == nil {
		k = &class{key: key}
		for _, name := range names {
			s := c.serviceOf(name)
			s.classes = append(s.classes, k)
			k.services = append(k.services, s)
		}
		c.classes[key] = k
	}
	return k
}

// classKey is different for different lists of names, whatever is in a name.
func classKey(names []string) string {
	var key []byte
	for _, name := range names {
		key = binary.AppendUvarint(key, uint64(len(name)))
		key = append(key, name...)
	}
	return string(key)
}

func (c *Core) leaveClass(w *worker) {
	k := w.class
	k.drop(w)
	k.workers--
	if k.workers > 0 {
		return
	}
	delete(c.classes, k.key)
	for _, s := range k.services {
		s.classes = slices.DeleteFunc(s.classes, func(x *class) bool { return x == k })
		c.release(s)
	}
}

func (c *Core) onWorkerUp(ev *Event) {
	if c.workers[ev.Worker] != nil {
		c.counters.Ignored++
		return
	}
	w := &worker{
		id: ev.Worker, heap: -1,
		capacity: max(ev.Capacity, 1), prefetch: max(ev.Prefetch, 0),
		jobs: list{of: workerLink}, turn: c.nextTurn(), lastSeen: c.now, lastProgress: c.now,
	}
	w.beat = timer{index: -1, kind: timerBeat, worker: w}
	w.recall = timer{index: -1, kind: timerRecall, worker: w}
	w.class = c.classOf(ev.Services)
	w.class.workers++
	w.class.prefetch = w.class.prefetch || w.prefetch > 0
	w.class.push(w)
	c.workers[w.id] = w
	c.counters.WorkersSeen++
	c.timers.arm(&w.beat, c.now.Add(c.cfg.Heartbeat))
	c.fill(w)
}

func (c *Core) onWorkerBeat(ev *Event) {
	if w := c.workers[ev.Worker]; w != nil {
		w.lastSeen = c.now
	}
}

func (c *Core) onWorkerDrain(ev *Event) {
	w := c.workers[ev.Worker]
	if w == nil || w.state != workerReady {
		return
	}
	w.lastSeen = c.now
	w.state = workerDraining
	w.class.drop(w)
	c.leave(w)
}

// leave lets a draining worker go once it has nothing left.
func (c *Core) leave(w *worker) {
	if w.state != workerDraining || !w.idle() {
		return
	}
	c.forgetWorker(w)
	c.emit(Action{Kind: ActionBye, Worker: w.id})
}

func (c *Core) forgetWorker(w *worker) {
	c.timers.cancel(&w.beat)
	c.timers.cancel(&w.recall)
	c.leaveClass(w)
	delete(c.workers, w.id)
}

// onBeatDue looks whether an idle worker is still there, and asks a busy one:
// a worker that computes in its only thread is silent and yet correct, so only
// its connection and its jobs' deadlines judge it.
func (c *Core) onBeatDue(w *worker) {
	if w.state == workerEvicting {
		return
	}
	if !w.idle() {
		c.emit(Action{Kind: ActionPing, Worker: w.id})
		c.timers.arm(&w.beat, c.now.Add(c.cfg.Heartbeat))
		return
	}
	if end := w.lastSeen.Add(c.cfg.silence()); c.now < end {
		c.timers.arm(&w.beat, min(end, c.now.Add(c.cfg.Heartbeat)))
		return
	}
	c.evict(w, ReasonSilent)
}

func (c *Core) evict(w *worker, why Reason) {
	if w.state == workerEvicting {
		return
	}
	w.state = workerEvicting
	w.class.drop(w)
	c.timers.cancel(&w.beat)
	c.timers.cancel(&w.recall)
	c.counters.Evicted++
	c.emit(Action{Kind: ActionEvict, Worker: w.id, Reason: why, Kill: why == ReasonHung})
}

// onWorkerDown settles every job of a worker that is gone: what cannot have
// started goes to another worker silently; what may have is retried only if
// its caller said so.
func (c *Core) onWorkerDown(ev *Event) {
	w := c.workers[ev.Worker]
	if w == nil {
		return
	}
	w.state = workerEvicting
	w.class.drop(w) // the class itself stays until the jobs have found their queues
	c.counters.WorkersLost++
	for w.jobs.n > 0 {
		j := w.jobs.first
		started := ev.Started == StartedUnknown || j.seq <= uint64(ev.Started)
		c.unassign(j)
		switch {
		case j.state == jobAbandoned:
			c.finish(j)
		case !started:
			c.counters.Redispatched++
			c.requeue(j)
		default:
			c.lost(j)
		}
	}
	c.forgetWorker(w)
	c.refill(w.class.services)
}

// lost settles a job that may have started on a worker that is gone.
func (c *Core) lost(j *job) {
	j.mayHaveRun = true
	j.kills++
	if j.retries == 0 || int(j.kills) >= c.cfg.MaxKills {
		c.reply(j, OutcomeWorkerLost)
		c.finish(j)
		return
	}
	j.retries--
	c.counters.Retried++
	c.requeue(j)
}
