// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"fmt"
	"strconv"
	"time"

	"github.com/powerhose/powerhose/protocol"
)

// event is something that arrived.
type event struct {
	at     time.Time
	conn   *conn // nil: over the worker's own socket
	cmd    protocol.Command
	flawed bool // it breaks a rule, so that nothing else is known of it

	job     *job // of RESULT and RETURN
	status  byte
	run     time.Duration
	payload []byte
	records int // of the BATCH that it came in, 0 for none

	reg protocol.Registration // of REGISTER
}

// job is one attempt at a job that the worker was given.
type job struct {
	ref    protocol.JobRef
	text   string // what it is, for people
	sent   time.Time
	answer *event // the first
	past   bool   // its registration has ended
}

func is(cmd protocol.Command) func(*event) bool {
	return func(e *event) bool { return e.cmd == cmd && !e.flawed }
}

// String names what arrived, for people.
func (e *event) String() string {
	text := e.cmd.String()
	switch {
	case e.cmd == 0:
		return "something malformed"
	case e.flawed:
		text += " (flawed)"
	case e.job != nil:
		text += " of " + e.job.text
		if e.cmd == protocol.CommandResult && e.status == protocol.StatusError {
			text += fmt.Sprintf(" (error %s)", shorten(e.payload))
		}
	}
	return text
}

// shorten quotes octets for a line of evidence.
func shorten(b []byte) string {
	const most = 40
	if len(b) > most {
		return fmt.Sprintf("%q… of %d octets", b[:most], len(b))
	}
	return strconv.Quote(string(b))
}
