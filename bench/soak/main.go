// SPDX-License-Identifier: Apache-2.0

// Soak has jobs of all kinds done for a long time while workers are killed,
// stopped and replaced and runners come and go, and fails if a promise is broken
// or if memory, descriptors, threads, goroutines or latency grow. See
// ../README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/powerhose/powerhose/bench/internal/rig"
)

type options struct {
	time    time.Duration
	rate    int
	every   time.Duration
	seed    uint64
	cworker string // program; empty: no workers in C++
	leak    string
	out     string // folder; empty: nothing is written
	log     io.Writer
}

var roles = rig.Roles{"runner": playRunner, "leaker": playLeaker}

func main() {
	rig.Main(roles)
	o := options{log: os.Stderr}
	flag.DurationVar(&o.time, "time", 3*time.Minute, "how long")
	flag.IntVar(&o.rate, "rate", 5700, "jobs each second")
	flag.DurationVar(&o.every, "every", time.Second, "mean time between two faults; 0: no faults")
	flag.Uint64Var(&o.seed, "seed", 0, "of jobs and faults; 0: any")
	flag.StringVar(&o.cworker, "cworker", "bin/powerhose-cworker", "the worker in C++; empty: none")
	flag.StringVar(&o.leak, "leak", "", "leak memory, goroutine or descriptor in the runner each second, to see that it is found")
	flag.StringVar(&o.out, "out", "out", "folder for soak.md and soak.csv")
	flag.Parse()
	if err := run(o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run(o options, out io.Writer) error {
	if o.time < time.Second || o.rate < 1 || flag.NArg() > 0 ||
		!slices.Contains([]string{"", "memory", "goroutine", "descriptor"}, o.leak) {
		return errors.New("wrong usage: see -h")
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	began := time.Now()
	h := &house{options: o, load: rig.LoadAverage()}
	err := h.live(ctx)
	text, leaks := h.report(time.Since(began))
	if _, werr := io.WriteString(out, text); werr != nil {
		return werr
	}
	if o.out != "" {
		if werr := h.write(o.out, text); werr != nil {
			return werr
		}
	}
	if err == nil && ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	return errors.Join(err, leaks)
}

// write writes soak.md and, with every reading, soak.csv.
func (h *house) write(dir, text string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "soak.md"), []byte(text), 0o644); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "soak.csv"))
	if err != nil {
		return err
	}
	fmt.Fprintln(f, "seconds,process,figure,value")
	for _, s := range h.series {
		for _, r := range s.readings {
			fmt.Fprintf(f, "%.1f,%s,%s,%g\n", r.at, s.process, s.figure, r.value)
		}
	}
	return f.Close()
}
