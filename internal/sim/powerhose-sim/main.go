// SPDX-License-Identifier: Apache-2.0

// Command powerhose-sim plays seeds of the simulation until one fails, enough
// are done, the time is up, or somebody stops it; see docs/simulation.md. Its
// exit code is 1 if a seed failed.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/powerhose/powerhose/internal/sim"
)

func main() {
	var (
		p       player
		limit   = flag.Duration("time", 0, "stop after this `duration`; 0: when the seeds are done")
		seed    = flag.Uint64("seed", 0, "play only this `seed`")
		trace   = flag.Bool("trace", false, "with -seed: print everything that happens")
		job     = flag.Int64("job", -1, "with -trace: only what is about the job of this `number`")
		without = flag.String("without", "", "with -seed: leave out these places and faults, as in `worker1,fault7`")
		until   = flag.Duration("until", 0, "with -seed: end work and faults at this `moment`")
	)
	flag.Uint64Var(&p.first, "from", 0, "the first seed; 0: a random one")
	flag.Uint64Var(&p.seeds, "seeds", 0, "how many `seeds`; 0: until the time is up")
	flag.Uint64Var(&p.events, "events", 0, "stop after so many `events`; 0: when the seeds are done")
	flag.IntVar(&p.parallel, "parallel", runtime.GOMAXPROCS(0), "how many seeds at a `time`")
	flag.DurationVar(&p.patience, "hang", 2*time.Minute, "a seed that takes so much of the processor's `time` hangs")
	flag.BoolVar(&p.shrink, "shrink", true, "make the script of a seed that fails smaller")
	flag.BoolVar(&p.going, "k", false, "go on after a failure")
	flag.Parse()
	debug.SetGCPercent(400)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *seed != 0 {
		cuts := sim.Cuts{Until: *until}
		if *without != "" {
			cuts.Without = strings.Split(*without, ",")
		}
		os.Exit(one(*seed, cuts, *trace, *job))
	}
	if p.first == 0 {
		p.first = uint64(time.Now().UnixNano())%1_000_000_000_000 + 1
	}
	if *limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *limit)
		defer cancel()
	}
	os.Exit(p.play(ctx))
}

// one plays one seed.
func one(seed uint64, cuts sim.Cuts, trace bool, job int64) int {
	o := sim.Options{Cuts: cuts}
	fmt.Fprint(os.Stdout, sim.Draw(seed).Describe())
	if trace {
		o.Trace = os.Stdout
		if job >= 0 {
			o.Job, o.OnlyJob = uint64(job), true
		}
	}
	start := time.Now()
	res := sim.Run(seed, o)
	if res.Failure != nil {
		show(res.Failure)
		return 1
	}
	fmt.Fprintf(os.Stdout, "seed %d: no failure; %d events, %d jobs, %d faults, digest %08x, %.1f s\n",
		seed, res.Events, res.Jobs, res.Faulted(), res.Digest, time.Since(start).Seconds())
	summary(&res.Stats)
	return 0
}
