// SPDX-License-Identifier: Apache-2.0

// Command square-runner has its arguments squared by workers, all at the same
// time, and prints the answers in order. Its exit code is 1 if any has none. See
// ../README.md.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"

	"github.com/powerhose/powerhose/jobrunner"
)

func main() {
	numbers := os.Args[1:]
	if len(numbers) == 0 {
		numbers = []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, numbers); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, numbers []string) error {
	hose, err := jobrunner.Connect(jobrunner.Config{})
	if err != nil {
		return err
	}
	defer hose.Close()

	// One Runner serves any number of goroutines, and each just waits for its
	// answer: how many jobs really run at once is decided by how many workers
	// there are.
	squares, errs := make([]string, len(numbers)), make([]error, len(numbers))
	var all sync.WaitGroup
	for i, n := range numbers {
		all.Go(func() { squares[i], errs[i] = hose.Execute(ctx, "square", n) })
	}
	all.Wait()

	failed := 0
	for i, n := range numbers {
		if errs[i] != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", n, errs[i])
			failed++
			continue
		}
		fmt.Printf("%s squared is %s\n", n, squares[i])
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d jobs failed", failed, len(numbers))
	}
	return nil
}
