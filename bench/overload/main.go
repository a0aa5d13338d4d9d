// SPDX-License-Identifier: Apache-2.0

// Overload offers a master more jobs than its workers can do, and tells how many
// are done in time, how fast the others are refused, what the master's memory
// does, and how soon all is well again. See ../README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/powerhose/powerhose/bench/internal/rig"
)

type options struct {
	loads    []float64 // of capacity
	sleepers int
	job      time.Duration
	deadline float64 // in job times
	length   time.Duration
	rounds   int
	setups   string
	out      string
	images   string // empty: out
	seed     uint64
}

func main() {
	rig.Main(nil)
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "overload:", err)
		os.Exit(1)
	}
}

func run() error {
	var o options
	loads := flag.String("loads", "0.5,0.8,1,1.5,2,5,10,20", "offered loads, as multiples of capacity")
	flag.IntVar(&o.sleepers, "workers", 4, "workers that sleep; those that compute are as many as there are processors")
	flag.DurationVar(&o.job, "job", 20*time.Millisecond, "how long a job takes, in whole milliseconds")
	flag.Float64Var(&o.deadline, "deadline", 5, "how many job times a job may take, waiting included")
	flag.DurationVar(&o.length, "length", 3*time.Second, "how long each load is measured")
	flag.IntVar(&o.rounds, "rounds", 3, "how often everything is measured")
	flag.StringVar(&o.setups, "setups", "", "only these, separated by commas")
	flag.StringVar(&o.out, "out", "out", "folder for overload.md and overload.json")
	flag.StringVar(&o.images, "images", "", "folder for the plot, goodput.png and goodput.svg (default the same)")
	flag.Uint64Var(&o.seed, "seed", 1, "seed of the arrivals")
	flag.Parse()
	for text := range strings.SplitSeq(*loads, ",") {
		load, err := strconv.ParseFloat(text, 64)
		if err != nil || load <= 0 {
			return fmt.Errorf("%q is no load", text)
		}
		o.loads = append(o.loads, load)
	}
	if flag.NArg() > 0 || o.rounds < 1 || o.sleepers < 1 || o.job < time.Millisecond || o.length <= 0 || o.deadline <= 1 {
		return errors.New("wrong usage: see -h")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r := &report{options: o, machine: rig.Machine(), load: rig.LoadAverage(), when: time.Now().UTC()}
	for _, s := range setups(o) {
		if o.setups != "" && !strings.Contains(","+o.setups+",", ","+s.name+",") {
			continue
		}
		series, err := s.measure(ctx, o)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		r.series = append(r.series, series)
	}
	if err := r.write(o.out); err != nil {
		return err
	}
	fmt.Print(r.markdown())
	return nil
}
