// SPDX-License-Identifier: Apache-2.0

package worker

import "errors"

// Why Run ended before its context was cancelled. Check with errors.Is.
var (
	// ErrMasterGone is returned by Run after Config.Patience without a word
	// from a master.
	ErrMasterGone = errors.New("worker: the master is gone")

	// ErrRefused is returned by Run when the master does not want this worker:
	// another protocol version, a frontend instead of a backend, a limit, or no
	// permission. The text has the master's reason.
	ErrRefused = errors.New("worker: refused by the master")

	// ErrWedged is returned by Run when the registration was lost and cannot be
	// renewed, because a handler of a job that nobody waits for has gone on for
	// longer than Config.Patience. Only the end of the process frees it.
	ErrWedged = errors.New("worker: wedged in a handler that does not return")

	// ErrDrainTimeout is returned by Run when handlers were still running
	// Config.DrainTimeout after its context was cancelled. It is the cause of
	// the cancellation of their contexts too.
	ErrDrainTimeout = errors.New("worker: handlers did not return in time while draining")

	// ErrUsed is returned by the second and later calls of Run on a Worker.
	ErrUsed = errors.New("worker: Run was called before: a Worker runs once")
)

// Why the context of a handler was cancelled, as context.Cause tells. Besides
// these there are ErrDrainTimeout, and context.DeadlineExceeded at the deadline.
var (
	// ErrCancelled: the caller gave up, or the job's deadline passed at the
	// master.
	ErrCancelled = errors.New("worker: the job was cancelled")

	// ErrMasterLost: the connection to the master broke or the master ended the
	// registration; a result would be dropped.
	ErrMasterLost = errors.New("worker: the registration at the master was lost")
)
