// SPDX-License-Identifier: Apache-2.0

package session

import (
	"math"
	"time"
)

// RunnerConfig of a new Runner.
type RunnerConfig struct {
	// Masters is how many there are, at least 1. They are called by their index
	// in the order of preference.
	Masters int
	// MaxPayload is the longest payload in octets that the owner can send,
	// whatever a master allows. Defaults to protocol.MaxMessage.
	MaxPayload int64
	// MaxUnsent and MaxUnsentBytes bound the jobs that wait while no master
	// takes them; jobs beyond are answered with OutcomeBusy. Default to
	// DefaultMaxUnsent and DefaultMaxUnsentBytes.
	MaxUnsent      int
	MaxUnsentBytes int64
	// FullAfter tells a full pipe from none: a send that fails while the master
	// owes fewer answers than this cannot have met a full one, so the
	// connection is gone. At most half of what the owner's socket holds.
	// Defaults to DefaultFullAfter.
	FullAfter int
}

// Defaults of RunnerConfig.
const (
	DefaultMaxUnsent      = 16384
	DefaultMaxUnsentBytes = 256 << 20
	DefaultFullAfter      = 8192
)

const (
	// cancelPatience is how long a cancelled call waits for the master's word.
	cancelPatience = 10 * time.Millisecond
	// blockedPause is after how long a full pipe is tried again, if nothing
	// else says that it has room.
	blockedPause = time.Millisecond

	runnerNever time.Duration = math.MaxInt64
)

// RunnerStats count what happened since the start.
type RunnerStats struct {
	Registrations uint64 // masters that came up, again and again
	Retried       uint64 // jobs sent again because their callers allow it
	Moved         uint64 // jobs that a draining master gave back
	Lost          uint64 // jobs answered "master lost"
	Late          uint64 // results that nobody waited for any more
	Errors        uint64 // ERRORs about one message
	Unexpected    uint64 // WELCOMEs that nothing waited for
}
