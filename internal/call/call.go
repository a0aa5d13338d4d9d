// SPDX-License-Identifier: Apache-2.0

// Package call is what passes between a JobRunner and whoever dispatches its
// jobs: the master's core in this process, or a connection to masters elsewhere.
package call

import (
	"context"
	"time"

	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// Call is one job on its way. Its maker fills in the question, hands it to a
// Dispatcher, and may read the answer after it received from Done. In between
// it belongs to the dispatcher.
type Call struct {
	// The question.
	Service  string
	Headers  []byte
	Payload  []byte
	Deadline time.Time // with a monotonic reading
	// Wait is how long the job may wait for a worker, at most until Deadline:
	// protocol.WaitForever, or 0 to start at once or not at all.
	Wait    time.Duration
	Retries uint8

	// The answer.
	Outcome    protocol.Outcome
	MayHaveRun bool
	// MasterLost says that the connection to the master broke: Outcome has no
	// meaning then.
	MasterLost bool
	RetryAfter time.Duration
	Result     []byte

	// Done receives once when the answer is there.
	Done chan struct{}

	// Callers, if the dispatcher set it in Submit, counts the calls that wait for
	// an answer.
	Callers *zmqnet.Callers
	// Led says that the dispatcher left something out since Lead does it. Submit
	// sets it.
	Led bool

	// Sleep is how a caller who leads is woken. Only used with Led.
	Sleep *zmqnet.Sleep

	// Tag names the call inside its dispatcher.
	Tag uint64
	// State is what a dispatcher keeps with the call from one use to the next.
	// Only Submit and Cancel of that dispatcher touch it.
	State any
}

// New returns a Call ready to be filled in. A Call can be used again after its
// answer was received: Reset it.
func New() *Call { return &Call{Done: make(chan struct{}, 1), Sleep: new(zmqnet.Sleep)} }

// Reset forgets question and answer.
func (c *Call) Reset() {
	if c.Led {
		c.Sleep.Reset()
	}
	*c = Call{Done: c.Done, Sleep: c.Sleep, State: c.State}
}

// Answer gives the answer. It must be called exactly once for each use.
func (c *Call) Answer() {
	if c.Callers != nil {
		c.Callers.Leave()
	}
	if !c.Led {
		c.Done <- struct{}{}
		return
	}
	s := c.Sleep
	s.Answer()
	c.Done <- struct{}{} // from here on the call may be in use again
	s.Wake()
}

// Dispatcher gets jobs done. All methods may be called from any goroutine.
type Dispatcher interface {
	// Submit takes the call. Its answer comes, without exception, at the latest
	// shortly after its deadline.
	Submit(*Call)
	// Lead must be called after Submit, by the same goroutine, before it waits for
	// Done. It may do the dispatcher's waiting in that goroutine until the call is answered
	// or the context is done, or return at once.
	Lead(context.Context, *Call)
	// Cancel asks for an early answer to a call that was submitted.
	Cancel(*Call)
	// Status asks the master for its state.
	Status(timeout time.Duration) (protocol.MasterStatus, error)
	// Close answers every call that is not answered yet, and ends.
	Close() error
}
