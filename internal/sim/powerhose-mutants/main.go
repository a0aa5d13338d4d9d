// SPDX-License-Identifier: Apache-2.0

// Command powerhose-mutants makes one bug after the other, those of mutants.txt,
// and checks that the simulation or the tests find it; see docs/simulation.md. It
// changes no file: the compiler is shown others (go build -overlay), and tests
// run in copies of their folders. Its exit code is 1 if a bug was not found or
// could not be made.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	var (
		b        bench
		only     = flag.String("only", "", "only those whose names have this `text` in them")
		some     = flag.Int("some", 0, "only so many, from all over the list; 0: all")
		table    = flag.Bool("table", false, "print the table of docs/simulation.md, without seeds and numbers")
		parallel = flag.Int("parallel", runtime.GOMAXPROCS(0), "how many at a `time`")
	)
	flag.IntVar(&b.seeds, "seeds", 400, "how many `seeds` the simulation may take to find one")
	flag.DurationVar(&b.limit, "time", 2*time.Minute, "how long the simulation may take, however few seeds that are")
	flag.BoolVar(&b.quick, "quick", false, "begin with the tests of the package, which take less time than the simulation")
	flag.BoolVar(&b.both, "tests", false, "run the tests also for those that the simulation finds")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, &b, choice{*only, *some}, *parallel, *table)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "powerhose-mutants:", err)
		os.Exit(1)
	}
}

// run tries mutants and prints the verdicts in the order of the list.
func run(ctx context.Context, b *bench, which choice, parallel int, table bool) error {
	mutants, err := parse(list)
	if err != nil {
		return err
	}
	module, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	b.root = strings.TrimSpace(string(module))
	if b.dir, err = os.MkdirTemp("", "mutants-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	mutants = choose(mutants, which.only, which.some)
	format := "%3d  %-17s  %-68s  %s\n"
	if table {
		fmt.Fprint(os.Stdout, "| | package | bug | found by |\n|---|---|---|---|\n")
		format = "| %d | %s | %s | %s |\n"
	}
	start := time.Now()
	var count counts
	for i, by := range b.tryAll(ctx, mutants, parallel) {
		v := <-by
		if ctx.Err() != nil {
			return ctx.Err()
		}
		count.add(v)
		text := v.String()
		if table {
			text = lasting(text)
		}
		fmt.Fprintf(os.Stdout, format, i+1, strings.TrimPrefix(mutants[i].pkg, "internal/"), mutants[i].name, text)
	}
	fmt.Fprintf(os.Stdout, "%d bugs in %.0f s: %d found by the simulation, %d by tests, %d not found, %d could not be tried\n",
		len(mutants), time.Since(start).Seconds(), count.simulation, count.tests, count.survived, count.broken)
	if count.survived+count.broken > 0 || len(mutants) == 0 {
		return fmt.Errorf("%d were not found, %d could not be tried", count.survived, count.broken)
	}
	return nil
}

// choice says which mutants: those whose names have the text, and of them so many.
type choice struct {
	only string
	some int
}

// choose returns those whose names have the text, and of them so many.
func choose(mutants []mutant, only string, some int) (chosen []mutant) {
	for _, m := range mutants {
		if strings.Contains(m.name, only) {
			chosen = append(chosen, m)
		}
	}
	n := len(chosen)
	if some <= 0 || some >= n {
		return chosen
	}
	for i := range some {
		chosen[i] = chosen[i*n/some]
	}
	return chosen[:some]
}

// tryAll tries some at a time. Each channel gets one verdict.
func (b *bench) tryAll(ctx context.Context, mutants []mutant, parallel int) []chan verdict {
	verdicts := make([]chan verdict, len(mutants))
	for i := range verdicts {
		verdicts[i] = make(chan verdict, 1)
	}
	var mu sync.Mutex
	next := 0
	for range max(parallel, 1) {
		go func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(mutants) {
					return
				}
				verdicts[i] <- b.try(ctx, i, mutants[i])
			}
		}()
	}
	return verdicts
}

// verdict is what became of a mutant.
type verdict struct {
	simulation, tests string // how they found it; "" if they did not
	err               error  // why it could not be tried
}

func (v verdict) String() string {
	switch {
	case v.err != nil:
		return "CANNOT BE TRIED: " + v.err.Error()
	case v.simulation != "" && v.tests != "":
		return v.simulation + "; " + v.tests
	case v.simulation+v.tests != "":
		return v.simulation + v.tests
	}
	return "SURVIVED"
}

type counts struct{ simulation, tests, survived, broken int }

func (c *counts) add(v verdict) {
	switch {
	case v.err != nil:
		c.broken++
	case v.simulation != "":
		c.simulation++
	case v.tests != "":
		c.tests++
	default:
		c.survived++
	}
}
