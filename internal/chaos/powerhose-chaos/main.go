// SPDX-License-Identifier: Apache-2.0

// Command powerhose-chaos runs masters, workers and runners as real processes
// and breaks them; see docs/reliability.md. It exits with 1 if any promise was
// broken.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/powerhose/powerhose/internal/chaos"
)

func main() {
	chaos.ServeWorker()
	if err := chaos.BeLimited(); err != nil {
		fail(err)
	}
	if was, err := chaos.BeRunner(); was {
		if err != nil {
			fail(err)
		}
		return
	}
	var (
		seed    = flag.Uint64("seed", 0, "the `seed` of the schedule of faults; 0: any")
		length  = flag.Duration("time", time.Minute, "how long there is load and faults")
		master  = flag.String("master", "bin/powerhose-master", "the `program` powerhose-master")
		cworker = flag.String("cworker", "cworker/build/tests/journal-worker", "the `program` journal-worker, of cworker's tests")
		keep    = flag.Bool("keep", false, "leave records and logs in place")
		show    = flag.Bool("schedule", false, "only print the schedule of faults")
	)
	flag.Parse()
	if *seed == 0 {
		*seed = uint64(rand.Uint32())
	}
	if *show {
		chaos.PrintSchedule(os.Stdout, *seed, *length)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	findings, err := chaos.Run(ctx, chaos.Config{
		Seed: *seed, Time: *length, Master: *master, CWorker: *cworker, Keep: *keep, Out: os.Stdout,
	})
	if err != nil {
		fail(err)
	}
	if findings > 0 {
		os.Exit(1)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
