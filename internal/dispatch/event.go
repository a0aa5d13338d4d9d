// SPDX-License-Identifier: Apache-2.0

package dispatch

import "time"

// Time is a moment on the owner's monotonic clock, in nanoseconds since a
// moment of the owner's choice. It never goes back.
type Time int64

// Add returns t+d, stopping at the ends of the range instead of overflowing.
func (t Time) Add(d time.Duration) Time {
	sum := t + Time(d)
	if d > 0 && sum < t {
		return Never
	}
	return sum
}

// Sub returns the duration t-u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Never is later than every moment.
const Never Time = 1<<63 - 1

type (
	// WorkerID names one registration of a worker. The owner gives a new one to
	// every registration: a worker that comes back is a new WorkerID.
	WorkerID uint64
	// RunnerID names one connection of a runner, chosen by the owner.
	RunnerID uint64
	// JobID names a job inside this Core. Zero is never used.
	JobID uint64
)

// EventKind says what happened.
type EventKind uint8

// The events. Each comment names the fields of Event that it uses.
const (
	// EventTick lets everything that is due happen. With Unheard set nobody is
	// judged.
	EventTick EventKind = iota
	// EventWorkerUp: a worker registered. Worker, Services, Capacity, Prefetch.
	EventWorkerUp
	// EventWorkerDown: a worker is gone, and can start no job any more beyond
	// those it may have started. Worker, Started.
	EventWorkerDown
	// EventWorkerBeat: any sign of life of a worker. Worker.
	EventWorkerBeat
	// EventWorkerDrain: a worker wants no new jobs. Worker.
	EventWorkerDrain
	// EventResult: a worker finished a job. Worker, Job, Attempt, Failed, Run,
	// Payload.
	EventResult
	// EventReturned: a worker did not start a job and will not. Worker, Job,
	// Attempt.
	EventReturned
	// EventRunnerUp: a runner connected. Runner, Local.
	EventRunnerUp
	// EventRunnerDown: a runner is gone; nobody waits for its jobs. Runner.
	EventRunnerDown
	// EventRunnerBeat: any sign of life of a runner. Runner.
	EventRunnerBeat
	// EventSubmit: a runner wants a job done. Runner, Tag, Service, Deadline,
	// StartBy, Retries, Headers, Payload, Ref.
	EventSubmit
	// EventCancel: a runner gave up on a job. Runner, Tag.
	EventCancel
	// EventDrain: take nothing new; give what runs until Deadline. Deadline.
	EventDrain
)

// Event is one thing that happened. Which fields matter depends on Kind, as
// documented there; the others are zero.
type Event struct {
	Kind EventKind
	// Unheard says that messages may have arrived that the core was not told of
	// yet. A master that was stopped for a while must not take its own standstill
	// for the silence of others: what they have sent is heard first.
	Unheard bool

	Worker WorkerID
	Runner RunnerID

	// Job and Attempt are what ActionAssign carried.
	Job     JobID
	Attempt uint32

	// Services are the names that a worker offers, without repeats.
	Services []string
	// Capacity is how many jobs a worker runs at once, at least 1. Prefetch is
	// how many it accepts beyond that.
	Capacity, Prefetch int

	// Started is how many of the jobs assigned to a worker, counted in the
	// order they were assigned, may have started. StartedUnknown when nothing
	// is known: then every one may have.
	Started int64

	// Failed says that the handler returned an error: Payload is its text.
	Failed bool
	// Run is how long the job ran, as the worker measured it; 0 if it did not.
	Run time.Duration

	// Local says that a runner lives in this process: it needs no heartbeats.
	Local bool

	// Tag is the runner's own name for a job, unique among its unfinished ones.
	Tag     uint64
	Service string
	// Deadline is when the caller must have its outcome. StartBy is until when
	// the job may wait for a worker: at most Deadline; in the past when it must
	// start at once or not at all.
	Deadline, StartBy Time
	// Retries is how many more workers may run the job after one was lost that
	// may have started it. Zero unless its caller said that running it twice
	// is safe.
	Retries uint8
	Headers []byte
	Payload []byte
	// Ref is handed back untouched with the job's outcome.
	Ref any
}

// StartedUnknown in Event.Started says that every assigned job may have started.
const StartedUnknown int64 = -1
