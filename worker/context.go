// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"sync"
	"time"
)

// jobContext is the context of one job. Most handlers never look at theirs, so
// it costs nothing until they do: the timer for the deadline and the machinery
// for cancelling are made when first asked for.
type jobContext struct {
	base     context.Context // values; never cancelled
	deadline time.Time

	mu   sync.Mutex      // guards everything below
	real context.Context // nil until somebody asked
	// cancel and stop are set together with real: the one ends it with a cause,
	// the other frees its timer.
	cancel context.CancelCauseFunc
	stop   context.CancelFunc
	cause  error // why it ended, nil while it has not
}

func (c *jobContext) Deadline() (time.Time, bool) { return c.deadline, true }
func (c *jobContext) Done() <-chan struct{}       { return c.make().Done() }
func (c *jobContext) Err() error                  { return c.make().Err() }

// Value passes through the real context too, because context.Cause and derived
// contexts find the cause that way.
func (c *jobContext) Value(key any) any { return c.make().Value(key) }

func (c *jobContext) make() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real == nil {
		outer, cancel := context.WithCancelCause(c.base)
		c.cancel = cancel
		if c.cause != nil {
			cancel(c.cause)
		}
		c.real, c.stop = context.WithDeadline(outer, c.deadline)
	}
	return c.real
}

// end cancels the context. Only the first cause counts.
func (c *jobContext) end(cause error) {
	c.mu.Lock()
	if c.cause != nil {
		c.mu.Unlock()
		return
	}
	c.cause = cause
	cancel, stop := c.cancel, c.stop
	c.mu.Unlock()
	// Cancelling runs code of others: what waits for Done, and contexts derived
	// from this one.
	if cancel != nil {
		cancel(cause)
		stop()
	}
}
