// SPDX-License-Identifier: Apache-2.0

// Package jobrunner gets CPU-bound work done outside this process. Execute
// sends a job, which is a service's name and some bytes, to one of the workers
// that registered themselves, and brings the answer back; the caller only
// waits:
//
//	hash, err := runner.Execute(ctx, "bcrypt", password)
//
// There are two ways to get a Runner. Start runs the master inside this
// process, and starts and supervises its workers: for one program on one
// machine. Connect uses masters that run elsewhere (cmd/powerhose-master): for
// programs that share workers, and for several machines. Everything after that
// line is the same.
//
// Execute returns exactly once, at the latest at its deadline, with the result
// or with an *Error, which matches one of the sentinels of this package and
// tells by MayHaveRun whether it is safe to try again. A job that may have
// started is never run twice unless its Job says that it may.
//
// It is not a queue: a job lives as long as its caller waits for it, and
// nothing is kept on disk.
package jobrunner
