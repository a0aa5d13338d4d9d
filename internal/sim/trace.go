// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"io"
	"time"
)

// tracer keeps what happened, for people.
type tracer struct {
	notes []note
	to    io.Writer // if set, everything goes there at once
	only  bool      // if it is about job
	job   uint64
}

type note struct {
	at   time.Duration
	job  *job
	who  string
	text string
}

func (n *note) String() string {
	about := ""
	if n.job != nil {
		about = fmt.Sprintf("job %d: ", n.job.n)
	}
	return fmt.Sprintf("%12.6f  %-10s %s%s", n.at.Seconds(), n.who, about, n.text)
}

// note keeps what happened, if anybody wants to know. What happens all the time
// is noted behind a look at w.trace, since the arguments cost too.
func (w *world) note(j *job, who, format string, args ...any) {
	t := w.trace
	if t == nil {
		return
	}
	n := note{w.now, j, who, fmt.Sprintf(format, args...)}
	if t.to != nil {
		if t.only && (j == nil || j.n != t.job) {
			return
		}
		fmt.Fprintln(t.to, n.String())
		return
	}
	t.notes = append(t.notes, n)
}

// about returns the last notes about a job and the processes that had to do with
// it; without a job, about everything.
func (t *tracer) about(j *job, most int) []string {
	involved := map[string]bool{}
	since := time.Duration(0)
	if j != nil {
		since = -1
		for i := range t.notes {
			if n := &t.notes[i]; n.job == j {
				involved[n.who] = true
				if since < 0 {
					since = n.at - 100*time.Millisecond
				}
			}
		}
	}
	var out []string
	for i := len(t.notes) - 1; i >= 0 && len(out) < most; i-- {
		n := &t.notes[i]
		if n.at < since {
			break
		}
		if j == nil || n.job == j || (n.job == nil && involved[n.who]) {
			out = append(out, n.String())
		}
	}
	for a, b := 0, len(out)-1; a < b; a, b = a+1, b-1 {
		out[a], out[b] = out[b], out[a]
	}
	return out
}
