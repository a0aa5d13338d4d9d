// SPDX-License-Identifier: Apache-2.0

// Command worker offers the service "shout". See ../README.md.
package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/powerhose/powerhose/worker"
)

func main() {
	w, err := worker.New(worker.Config{Services: worker.Services{
		"shout": worker.Text(func(_ context.Context, text string) (string, error) {
			return strings.ToUpper(text), nil
		}),
	}})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := w.Run(ctx); err != nil { // nil after a signal, when the job in hand is answered
		log.Fatal(err)
	}
}
