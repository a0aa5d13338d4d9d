// SPDX-License-Identifier: Apache-2.0

// Command powerhose-sim plays seeds of the simulation until one fails, the time
// is up, or somebody stops it; see docs/simulation.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/powerhose/powerhose/internal/sim"
)

func main() {
	var (
		first   = flag.Uint64("from", 1, "the first seed")
		seeds   = flag.Uint64("seeds", 0, "how many `seeds`; 0: until the time is up")
		limit   = flag.Duration("time", 0, "stop after this `duration`; 0: when the seeds are done")
		seed    = flag.Uint64("seed", 0, "play only this `seed`")
		trace   = flag.Bool("trace", false, "with -seed: print everything that happens")
		job     = flag.Int64("job", -1, "with -trace: only what is about the job of this `number`")
		without = flag.String("without", "", "with -seed: leave out these places and faults, as in `worker1,fault7`")
		until   = flag.Duration("until", 0, "with -seed: end work and faults at this `moment`")
		shrink  = flag.Bool("shrink", true, "make the script of a seed that fails smaller")
		going   = flag.Bool("k", false, "go on after a failure")
	)
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
	if *limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *limit)
		defer cancel()
	}
	os.Exit(many(ctx, *first, *seeds, *shrink, *going))
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
	return 0
}

// many plays seed after seed.
func many(ctx context.Context, first, seeds uint64, shrink, going bool) int {
	var total sim.Stats
	start := time.Now()
	said := start
	failed := 0
	for seed := first; ctx.Err() == nil && (seeds == 0 || seed < first+seeds); seed++ {
		res := sim.Run(seed, sim.Options{})
		total.Add(&res.Stats)
		if res.Failure != nil {
			failed++
			f := res.Failure
			if shrink {
				fmt.Fprintf(os.Stdout, "seed %d fails (%s): shrinking\n", seed, f.Text)
				f = sim.Shrink(f)
			}
			show(f)
			if !going {
				break
			}
		}
		if now := time.Now(); now.Sub(said) >= 10*time.Second {
			said = now
			progress(&total, start, failed)
		}
	}
	progress(&total, start, failed)
	summary(&total)
	if failed > 0 {
		return 1
	}
	return 0
}

func progress(s *sim.Stats, start time.Time, failed int) {
	took := time.Since(start).Seconds()
	fmt.Fprintf(os.Stdout, "%7.0f s: %d seeds, %.1f million events, %.2f million events/s, %d jobs, %d faults, %.1f h simulated, %d failures\n",
		took, s.Seeds, float64(s.Events)/1e6, float64(s.Events)/1e6/took, s.Jobs, s.Faulted(), s.Time.Hours(), failed)
}

func summary(s *sim.Stats) {
	fmt.Fprintln(os.Stdout, "outcomes:", s.OutcomeList())
	fmt.Fprintln(os.Stdout, "faults:", s.FaultList())
}

func show(f *sim.Failure) {
	fmt.Fprintf(os.Stdout, "\nFAILED %v\n", f)
	for _, line := range f.Trace {
		fmt.Fprintln(os.Stdout, line)
	}
	fmt.Fprintf(os.Stdout, "again: go run ./internal/sim/powerhose-sim -seed %d%v -trace\n\n", f.Seed, f.Cuts)
}
