// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/powerhose/powerhose/worker"
)

// services run in the worker processes, one job at a time in each.
var services = worker.Services{
	"square": worker.Text(square),
	"burn":   worker.Text(burn),
	"crash":  crash,
}

func square(_ context.Context, text string) (string, error) {
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		return "", fmt.Errorf("%q is not a whole number", text)
	}
	return n.Mul(n, n).String(), nil
}

// burn uses as many milliseconds of CPU as it is told, and stands for whatever
// computes in your application.
func burn(ctx context.Context, text string) (string, error) {
	ms, err := strconv.Atoi(text)
	if err != nil || ms < 1 || ms > 60_000 {
		return "", fmt.Errorf("%q is not a number of milliseconds from 1 to 60000", text)
	}
	// A worker does one job at a time, so the process's CPU time is the job's.
	block := sha256.Sum256(nil)
	for end := cpuTime(syscall.RUSAGE_SELF) + time.Duration(ms)*time.Millisecond; cpuTime(syscall.RUSAGE_SELF) < end; {
		if ctx.Err() != nil {
			// Nobody waits for the answer any more: be free for the next job.
			return "", context.Cause(ctx)
		}
		for range 200 {
			block = sha256.Sum256(block[:])
		}
	}
	return fmt.Sprintf("burned %d ms of CPU in process %d", ms, os.Getpid()), nil
}

// crash is what a fault in a C library does, or the kernel's out-of-memory killer:
// kill -9 in the middle of a job. It comes from inside so that the job has
// certainly begun: one that has not is given to another worker, and nobody would
// notice anything.
func crash(context.Context, *worker.Job) ([]byte, error) {
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		return nil, err
	}
	select {} // until it arrives
}

// cpuTime is what the process (RUSAGE_SELF) or its children that have ended
// (RUSAGE_CHILDREN) have used.
func cpuTime(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
