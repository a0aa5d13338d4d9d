// SPDX-License-Identifier: Apache-2.0

package worker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/powerhose/powerhose/worker"
)

// A program that is its own worker: started by jobrunner.Start or by a
// supervisor it serves and never returns from Main, started by hand it goes on.
func ExampleMain() {
	worker.Main(worker.Services{
		"shout": worker.Text(func(_ context.Context, text string) (string, error) {
			return strings.ToUpper(text), nil
		}),
	})
	fmt.Println("this is not a worker process")
	// Output: this is not a worker process
}

// A worker that decides itself where it registers and when it ends.
func ExampleWorker_Run() {
	w, err := worker.New(worker.Config{
		Services: worker.Services{"shout": func(_ context.Context, job *worker.Job) ([]byte, error) {
			return bytes.ToUpper(job.Payload), nil
		}},
		Backend:  "ipc:///run/powerhose/backend.sock",
		Capacity: 2,
		Logger:   slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	switch err := w.Run(ctx); {
	case errors.Is(err, worker.ErrMasterGone):
		log.Fatal("start the master first: ", err)
	case err != nil:
		log.Fatal(err)
	}
}

// A handler that stops when nobody waits for its result any more, and that
// passes on the caller's trace.
func ExampleHandler() {
	var _ worker.Handler = func(ctx context.Context, job *worker.Job) ([]byte, error) {
		trace, _ := job.Header("traceparent")
		sum := 0
		for i, octet := range job.Payload {
			if i%4096 == 0 && ctx.Err() != nil {
				return nil, context.Cause(ctx) // worker.ErrCancelled, for example
			}
			sum += int(octet)
		}
		return fmt.Appendf(nil, "%d %s", sum, trace), nil
	}
}

func ExampleNew_mistake() {
	_, err := worker.New(worker.Config{
		Services: worker.Services{"two words": worker.Text(func(_ context.Context, s string) (string, error) { return s, nil })},
	})
	fmt.Println(err)
	// Output: worker: Config.Services has the name "two words": protocol: malformed service name: not printable ASCII without spaces
}
