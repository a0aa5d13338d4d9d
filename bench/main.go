// SPDX-License-Identifier: Apache-2.0

// Bench measures Powerhose beside what people would use instead, on the machine
// at hand and in one go. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// options are the command line.
type options struct {
	settings settings
	out      string
	cases    string // names separated by commas; empty: all
	peers    string // names or ids separated by commas; empty: all
	points   string // names separated by commas; empty: all
	goOnly   bool   // no workers in C++
	callers  int    // 0: as the case says
	profile  string // folder for profiles of the load processes; empty: none
}

func main() {
	playRole()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	o := options{settings: quick}
	if mode := os.Getenv("BENCH"); mode == "full" {
		o.settings = full
	} else if mode != "" {
		return fmt.Errorf("BENCH is %q: it can be full, or not be set", mode)
	}
	flag.IntVar(&o.settings.rounds, "rounds", o.settings.rounds, "how often everything is measured")
	flag.IntVar(&o.settings.warmMS, "warm", o.settings.warmMS, "milliseconds before each measurement; cases may take a multiple")
	flag.IntVar(&o.settings.lengthMS, "length", o.settings.lengthMS, "milliseconds of each measurement; cases may take a multiple")
	flag.IntVar(&o.settings.tries, "tries", o.settings.tries, "how often a noisy run is tried")
	flag.Float64Var(&o.settings.noise, "noise", o.settings.noise, "how many processors others may use before a run counts as noisy")
	flag.StringVar(&o.out, "out", "out", "folder for the results")
	flag.StringVar(&o.cases, "cases", "", "only these cases, separated by commas")
	flag.StringVar(&o.peers, "peers", "", "only these peers, separated by commas")
	flag.BoolVar(&o.goOnly, "go", false, "only peers whose workers are in Go")
	flag.StringVar(&o.points, "points", "", "only these points of the cases, separated by commas")
	flag.IntVar(&o.callers, "callers", 0, "only with that many callers")
	flag.StringVar(&o.profile, "profile", "", "folder for pprof profiles of the callers' processes")
	flag.Parse()
	if err := o.check(); err != nil {
		return err
	}
	if o.profile != "" {
		var err error
		if o.profile, err = filepath.Abs(o.profile); err == nil {
			err = os.MkdirAll(o.profile, 0o755)
		}
		if err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := measureAll(ctx, o, os.Stderr)
	if err != nil {
		return err
	}
	if err := r.write(o.out); err != nil {
		return err
	}
	table, err := r.markdown()
	if err != nil {
		return err
	}
	fmt.Print(table)
	return r.verdict()
}

func (o options) check() error {
	if flag.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flag.Arg(0))
	}
	if o.settings.rounds < 1 || o.settings.warmMS < 0 || o.settings.lengthMS < 1 {
		return errors.New("at least one round of 1 ms")
	}
	for _, name := range split(o.peers) {
		if !slices.ContainsFunc(peers(), func(p *peer) bool { return p.name == name || p.id() == name }) {
			return fmt.Errorf("there is no peer %q", name)
		}
	}
	for _, name := range split(o.points) {
		if !slices.ContainsFunc(o.experiments(), func(x *experiment) bool {
			return slices.ContainsFunc(x.works(o.settings), func(w work) bool { return w.Point == name })
		}) {
			return fmt.Errorf("there is no point %q", name)
		}
	}
	if len(o.experiments()) < max(1, len(split(o.cases))) {
		return fmt.Errorf("there is no such case in %q", o.cases)
	}
	return nil
}

func split(list string) []string {
	return slices.DeleteFunc(strings.Split(list, ","), func(s string) bool { return s == "" })
}

// experiments are the cases that were asked for.
func (o options) experiments() []*experiment {
	return slices.DeleteFunc(experiments(), func(x *experiment) bool {
		return o.cases != "" && !slices.Contains(split(o.cases), x.name)
	})
}

// wants says whether the peer was asked for.
func (o options) wants(p *peer) bool {
	list := split(o.peers)
	return !(o.goOnly && p.worker != "go") && (o.peers == "" || slices.Contains(list, p.name) || slices.Contains(list, p.id()))
}

// works are the points of a case that were asked for.
func (o options) works(x *experiment) []work {
	return slices.DeleteFunc(x.works(o.settings), func(w work) bool {
		return o.callers > 0 && w.Callers != o.callers || o.points != "" && !slices.Contains(split(o.points), w.Point)
	})
}

// verdict is an error if one of our own peers failed or could not be built.
func (r *results) verdict() error {
	var errs []error
	for at, why := range r.failed {
		if p, err := peerByID(at.peer); err == nil && p.ours {
			errs = append(errs, fmt.Errorf("%s failed: %s", at, why))
		}
	}
	return errors.Join(errs...)
}
