// SPDX-License-Identifier: Apache-2.0

// Package worker does the work: a process that registers at a master, is given
// jobs one after the other, and answers each.
//
//	w, err := worker.New(worker.Config{Services: worker.Services{"bcrypt": hash}})
//	...
//	err = w.Run(ctx) // until ctx is cancelled and what it had is finished
//
// or, in a program that is its own worker (see jobrunner.Start) or that is
// started by a supervisor, one line at the beginning of main:
//
//	worker.Main(worker.Services{"bcrypt": hash})
//
// # What a handler may rely on
//
// At most Config.Capacity handlers run at once, each job in a goroutine that
// runs nothing else meanwhile; jobs start in the order in which the master sent
// them. A handler may compute for as long as it likes: heartbeats are sent
// beside it. Its context ends at the job's deadline, and earlier when nobody
// waits for the result any more; context.Cause tells why. A handler that does
// not look keeps its place until it returns, and the master ends the worker's
// registration a moment after the deadline.
//
// A handler that returns an error, panics or calls runtime.Goexit fails its own
// job and nothing else. The error's text goes to the caller.
//
// # What a worker does by itself
//
// It connects, registers, sends heartbeats, and reconnects when the master was
// silent. When there is no master for Config.Patience it gives up, and Run
// returns ErrMasterGone: whoever started the process decides what comes next.
//
// The package is not for submitting jobs (package jobrunner), nor for starting
// worker processes.
package worker
