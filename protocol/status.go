// SPDX-License-Identifier: Apache-2.0

package protocol

// MasterStatus is the state of a master at one moment: the JSON object that a STATUS
// message carries. Later versions may add members.
type MasterStatus struct {
	Identity string  `json:"identity"`
	PID      int     `json:"pid"`
	Host     string  `json:"host"`
	Version  string  `json:"version"`
	Uptime   float64 `json:"uptime_seconds"`
	Frontend string  `json:"frontend,omitempty"`
	Backend  string  `json:"backend"`
	Draining bool    `json:"draining"`

	// Jobs is how many jobs are where now, and how many ended how since the start.
	Jobs JobStatus `json:"jobs"`
	// Runners is how many runners are connected now.
	Runners int `json:"runners"`

	Workers  []WorkerStatus  `json:"workers"`
	Services []ServiceStatus `json:"services"`
	// Counters count since the start.
	Counters CounterStatus `json:"counters"`
}

// JobStatus counts jobs.
type JobStatus struct {
	// Waiting jobs wait for a worker and hold WaitingBytes of payload and headers.
	Waiting      int   `json:"waiting"`
	WaitingBytes int64 `json:"waiting_bytes"`
	// Running jobs are with workers, and their callers wait.
	Running int `json:"running"`
	// Abandoned jobs are with workers, but their callers gave up or had to.
	Abandoned int `json:"abandoned"`
	// Submitted jobs are all that ever came; Outcomes says how they ended, by
	// the names of docs/protocol.md ("ok", "job error", …).
	Submitted uint64            `json:"submitted"`
	Outcomes  map[string]uint64 `json:"outcomes"`
}

// WorkerStatus describes one registered worker.
type WorkerStatus struct {
	ID       string   `json:"id"`
	PID      int      `json:"pid"`
	Host     string   `json:"host"`
	Language string   `json:"language"`
	Version  string   `json:"version"`
	Services []string `json:"services"`
	Capacity int      `json:"capacity"`
	Prefetch int      `json:"prefetch"`
	// Endpoint is the worker's own socket, if it registered one.
	Endpoint string `json:"endpoint,omitempty"`
	Draining bool   `json:"draining"`
	// Running is how many jobs it has now, prefetched ones included.
	Running int `json:"running"`
	// Done is how many jobs it has answered; Failed of them with an error.
	Done   uint64 `json:"done"`
	Failed uint64 `json:"failed"`
	// Age is how long ago it registered.
	Age float64 `json:"age_seconds"`
}

// ServiceStatus describes one service that is offered or waited for.
type ServiceStatus struct {
	Name     string `json:"name"`
	Workers  int    `json:"workers"`
	Capacity int    `json:"capacity"`
	Waiting  int    `json:"waiting"`
	// TypicalRun is the 10th percentile of the latest run times in
	// milliseconds, 0 if unknown.
	TypicalRun float64 `json:"typical_run_ms"`
}

// CounterStatus counts what happened since the start.
type CounterStatus struct {
	// Assigned counts jobs handed to workers, repeats included: Redispatched
	// silently because they had certainly not started, Retried because their
	// callers allow it, Returned by the worker itself.
	Assigned     uint64 `json:"assigned"`
	Redispatched uint64 `json:"redispatched"`
	Retried      uint64 `json:"retried"`
	Returned     uint64 `json:"returned"`
	// Late counts answers of workers that nobody waited for any more.
	Late uint64 `json:"late"`
	// WorkersSeen counts registrations, WorkersLost those that ended without a
	// drain, Evicted those that the master ended itself.
	WorkersSeen uint64 `json:"workers_seen"`
	WorkersLost uint64 `json:"workers_lost"`
	Evicted     uint64 `json:"evicted"`
	// Malformed counts messages dropped because they break the protocol,
	// Refused peers turned away, Unknown messages from peers that were not
	// registered.
	Malformed uint64 `json:"malformed"`
	Refused   uint64 `json:"refused"`
	Unknown   uint64 `json:"unknown"`
}
