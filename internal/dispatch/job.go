// SPDX-License-Identifier: Apache-2.0

package dispatch

import "time"

type jobState uint8

const (
	jobFree      jobState = iota // in the slab's free list
	jobWaiting                   // in its service's queue; nobody runs it
	jobAssigned                  // with a worker, its caller waits
	jobAbandoned                 // with a worker, its caller has its outcome
)

// job is in exactly one place: the free list, its service's queue (waiting) or
// its worker's list (assigned, abandoned). While its caller waits it is in its
// runner's list too.
type job struct {
	id      JobID
	state   jobState
	attempt uint32 // assignments so far

	runner  *runner // nil once its caller has its outcome
	tag     uint64
	ref     any
	service *service
	arrival uint64 // order of arrival among all jobs

	deadline, startBy Time
	retries           uint8
	kills             uint8 // workers lost while they may have run it
	returns           uint8 // came back from workers that were not asked for it
	mayHaveRun        bool  // an earlier attempt may have started it
	probe             bool  // admitted against the estimate, to correct it
	headers, payload  []byte

	// timer: waiting: startBy. Assigned: deadline. Abandoned: end of the grace,
	// not armed while behind.
	timer timer

	// queue links it while waiting.
	queue link
	// peers links it among its runner's jobs.
	peers link

	// The rest has meaning only while assigned or abandoned.
	worker    *worker
	onWorker  link
	seq       uint64        // place in the order of the worker's assignments, from 1
	behind    bool          // beyond the worker's capacity: it waits for those before it
	startedAt Time          // when it was assigned, or when it stopped being behind
	cost      time.Duration // what it adds to the worker's backlog
	recalled  bool
}

// size is what the job holds of the waiting room's bytes.
func (j *job) size() int64 { return int64(len(j.headers) + len(j.payload)) }

// A link holds the neighbours of a job in one list.
type link struct{ prev, next *job }

// A list is a doubly linked list of jobs through one of their links.
type list struct {
	first, last *job
	n           int
	of          func(*job) *link
}

func queueLink(j *job) *link  { return &j.queue }
func peersLink(j *job) *link  { return &j.peers }
func workerLink(j *job) *link { return &j.onWorker }

// insert puts j behind after, or first when after is nil.
func (l *list) insert(j, after *job) {
	at := l.of(j)
	at.prev = after
	if after == nil {
		at.next = l.first
		l.first = j
	} else {
		at.next = l.of(after).next
		l.of(after).next = j
	}
	if at.next == nil {
		l.last = j
	} else {
		l.of(at.next).prev = j
	}
	l.n++
}

func (l *list) push(j *job) { l.insert(j, l.last) }

func (l *list) remove(j *job) {
	at := l.of(j)
	if at.prev == nil {
		l.first = at.next
	} else {
		l.of(at.prev).next = at.next
	}
	if at.next == nil {
		l.last = at.prev
	} else {
		l.of(at.next).prev = at.prev
	}
	*at = link{}
	l.n--
}

// slab holds every job ever made and hands them out again. A JobID is a place
// in the slab and how often that place was used, so looking one up needs no
// hash table, and an id of a finished job is never mistaken for a live one.
type slab struct {
	jobs []*job
	free []uint32
	live int
}

func (s *slab) get() *job {
	s.live++
	if n := len(s.free); n > 0 {
		j := s.jobs[s.free[n-1]]
		s.free = s.free[:n-1]
		return j
	}
	j := &job{id: 1<<32 | JobID(len(s.jobs)), timer: timer{index: -1}}
	j.timer.job = j
	s.jobs = append(s.jobs, j)
	return j
}

func (s *slab) put(j *job) {
	s.live--
	place := uint32(j.id)
	*j = job{id: j.id + 1<<32, timer: timer{index: -1, job: j}}
	s.free = append(s.free, place)
}

// find returns the live job of that id, or nil.
func (s *slab) find(id JobID) *job {
	place := uint32(id)
	if int(place) >= len(s.jobs) {
		return nil
	}
	if j := s.jobs[place]; j.id == id && j.state != jobFree {
		return j
	}
	return nil
}
