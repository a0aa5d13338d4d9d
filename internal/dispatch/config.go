// SPDX-License-Identifier: Apache-2.0

package dispatch

import "time"

// Defaults of Config.
const (
	DefaultHeartbeat       = time.Second
	DefaultLiveness        = 3
	DefaultGrace           = time.Second
	DefaultMaxWaiting      = 16384
	DefaultMaxWaitingBytes = 256 << 20
)

// Config sets the timing and the limits of a Core. A zero field means its default.
type Config struct {
	// Heartbeat is how often a peer gives a sign of life. Defaults to 1 s.
	Heartbeat time.Duration
	// Liveness is how many silent heartbeats mean dead. Defaults to 3.
	Liveness int
	// Grace is how long a worker may take to finish a job after the job's
	// deadline before it counts as hung. Defaults to 1 s.
	Grace time.Duration
	// MaxWaiting is how many jobs may wait for a worker. Defaults to 16384.
	MaxWaiting int
	// MaxWaitingBytes is how many bytes of payload and headers the waiting jobs
	// may hold. Defaults to 256 MiB.
	MaxWaitingBytes int64
	// PrefetchBudget is how much measured work a worker may have, for each place
	// of its capacity, when it is given jobs beyond its capacity. A worker that
	// makes no progress for twice as long gets none. Defaults to 3 ms: a job of 1 ms
	// has the next one behind it, which is worth a tenth of the work done.
	PrefetchBudget time.Duration
	// MaxKills is after how many lost workers a job is not tried on another,
	// whatever its retries. Defaults to 2.
	MaxKills int
}

// WithDefaults returns a copy in which every zero field has its default.
func (c Config) WithDefaults() Config {
	if c.Heartbeat <= 0 {
		c.Heartbeat = DefaultHeartbeat
	}
	if c.Liveness <= 0 {
		c.Liveness = DefaultLiveness
	}
	if c.Grace <= 0 {
		c.Grace = DefaultGrace
	}
	if c.MaxWaiting <= 0 {
		c.MaxWaiting = DefaultMaxWaiting
	}
	if c.MaxWaitingBytes <= 0 {
		c.MaxWaitingBytes = DefaultMaxWaitingBytes
	}
	if c.PrefetchBudget <= 0 {
		c.PrefetchBudget = 3 * time.Millisecond
	}
	if c.MaxKills <= 0 {
		c.MaxKills = 2
	}
	return c
}

// silence is how long an idle peer may be silent.
func (c Config) silence() time.Duration { return c.Heartbeat * time.Duration(c.Liveness) }
