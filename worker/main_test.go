// SPDX-License-Identifier: Apache-2.0

package worker_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/worker"
)

// TestMain is also the main of the worker processes that tests start: this very
// program with POWERHOSE_WORKER=1.
func TestMain(m *testing.M) {
	worker.Main(worker.Services{
		"upper": func(_ context.Context, job *worker.Job) ([]byte, error) { return bytes.ToUpper(job.Payload), nil },
		// Says on standard output that it has started, and ends with its context.
		"wait": func(ctx context.Context, _ *worker.Job) ([]byte, error) {
			fmt.Println("started")
			<-ctx.Done()
			return nil, context.Cause(ctx)
		},
		// The same, but it ends only when told to by its standard input.
		"stuck": func(context.Context, *worker.Job) ([]byte, error) {
			fmt.Println("started")
			_, err := os.Stdin.Read(make([]byte, 1))
			return []byte("released"), err
		},
		"environment": func(context.Context, *worker.Job) ([]byte, error) {
			return []byte(strings.Join(os.Environ(), "\n")), nil
		},
	})
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	// Ledgers lie in the runtime directory: not in this user's own.
	dir, err := os.MkdirTemp("", "powerhose")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Setenv("XDG_RUNTIME_DIR", dir); err != nil {
		panic(err)
	}
	code := m.Run()
	if code != 0 {
		return code
	}
	if err := zmqnet.Shutdown(); err != nil {
		fmt.Fprintln(os.Stderr, "sockets leak:", err)
		return 1
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, "goroutines leak:", err)
		return 1
	}
	return 0
}
