// SPDX-License-Identifier: Apache-2.0

package jobrunner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/powerhose/powerhose/internal/call"
	"github.com/powerhose/powerhose/protocol"
)

// What became of a job that gave no result. Compare with errors.Is.
var (
	// ErrJob: the worker's handler failed; Error.Text is its own text. The job
	// ran once.
	ErrJob = errors.New("job failed")
	// ErrNoWorker: nobody offers the service, and nobody came while the job
	// could wait. It did not run.
	ErrNoWorker = errors.New("no worker offers the service")
	// ErrBusy: the waiting room is full, or the job had no chance to be done
	// before its deadline, which mostly shows at once, and now and then only
	// while it waits. It did not run; Error.RetryAfter is a hint.
	ErrBusy = errors.New("busy")
	// ErrTimedOut: the deadline passed. It matches context.DeadlineExceeded
	// too, and one of the next two.
	ErrTimedOut = errors.New("timed out")
	// ErrTimedOutWaiting: the deadline passed before a worker had the job. It
	// did not run.
	ErrTimedOutWaiting = errors.New("timed out waiting for a worker")
	// ErrTimedOutRunning: the deadline passed while a worker had the job.
	ErrTimedOutRunning = errors.New("timed out running")
	// ErrWorkerLost: the worker died, hung or was evicted while it had the job.
	ErrWorkerLost = errors.New("worker lost")
	// ErrMasterLost: the connection to the master broke while it had the job,
	// or no master could be reached.
	ErrMasterLost = errors.New("master lost")
	// ErrCancelled: the context was cancelled. It matches context.Canceled too.
	ErrCancelled = errors.New("cancelled")
	// ErrTooLarge: the payload, the headers or the result are beyond a limit.
	ErrTooLarge = errors.New("too large")
	// ErrRefused: the job makes no sense to the master, as one whose service
	// has an impossible name, or its runner is not authorised.
	ErrRefused = errors.New("refused")
	// ErrClosed: the Runner was closed, or the master is shutting down.
	ErrClosed = errors.New("closed")
)

// Error says why a job gave no result. Every error of Execute, ExecuteBytes and
// Do is one.
type Error struct {
	// Service is the job's.
	Service string
	// Text is, with ErrJob, what the handler said; otherwise a detail for
	// people, often empty.
	Text string
	// RetryAfter, with ErrBusy, is when trying again may help. 0 is unknown.
	RetryAfter time.Duration

	kind       error // one of the sentinels
	mayHaveRun bool
}

// MayHaveRun is false only if the job certainly never started anywhere: then it
// is safe to try again, whatever the job does.
func (e *Error) MayHaveRun() bool { return e.mayHaveRun }

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("jobrunner: ")
	if e.Service != "" {
		fmt.Fprintf(&b, "service %q: ", e.Service)
	}
	b.WriteString(e.kind.Error())
	if e.Text != "" {
		b.WriteString(": ")
		b.WriteString(e.Text)
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, " (try again in %v)", e.RetryAfter)
	}
	return b.String()
}

// Is makes errors.Is work with the sentinels and with the errors of contexts.
func (e *Error) Is(target error) bool {
	switch target {
	case e.kind:
		return true
	case ErrTimedOut, context.DeadlineExceeded:
		return e.kind == ErrTimedOutWaiting || e.kind == ErrTimedOutRunning
	case context.Canceled:
		return e.kind == ErrCancelled
	}
	return false
}

// MayHaveRun reports whether the job behind err, which may be wrapped, may have
// started. It is true for errors that are not of this package.
func MayHaveRun(err error) bool {
	var e *Error
	if errors.As(err, &e) {
		return e.mayHaveRun
	}
	return err != nil
}

// kindOf is the sentinel of each outcome.
var kindOf = [...]error{
	protocol.OutcomeJobError:        ErrJob,
	protocol.OutcomeNoWorker:        ErrNoWorker,
	protocol.OutcomeBusy:            ErrBusy,
	protocol.OutcomeTimedOutWaiting: ErrTimedOutWaiting,
	protocol.OutcomeTimedOutRunning: ErrTimedOutRunning,
	protocol.OutcomeWorkerLost:      ErrWorkerLost,
	protocol.OutcomeCancelled:       ErrCancelled,
	protocol.OutcomeTooLarge:        ErrTooLarge,
	protocol.OutcomeRefused:         ErrRefused,
	protocol.OutcomeClosed:          ErrClosed,
}

// errorOf returns the error of an answered call, nil if it has a result.
func errorOf(c *call.Call, ctxErr error) error {
	if c.Outcome == protocol.OutcomeOK && !c.MasterLost {
		return nil
	}
	e := &Error{
		Service: c.Service, Text: string(c.Result), RetryAfter: c.RetryAfter,
		kind: ErrRefused, mayHaveRun: c.MayHaveRun,
	}
	switch {
	case c.MasterLost:
		e.kind = ErrMasterLost
		if e.Text == "" && !e.mayHaveRun {
			e.Text = "no master answered in time: is one running at that endpoint?"
		}
	case c.Outcome == protocol.OutcomeCancelled && errors.Is(ctxErr, context.DeadlineExceeded):
		// The context's clock was a little ahead of the master's.
		e.kind = ErrTimedOutWaiting
		if c.MayHaveRun {
			e.kind = ErrTimedOutRunning
		}
	case int(c.Outcome) < len(kindOf):
		e.kind = kindOf[c.Outcome]
	}
	return e
}
