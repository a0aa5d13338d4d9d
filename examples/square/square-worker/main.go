// SPDX-License-Identifier: Apache-2.0

// Command square-worker squares whole numbers, however long. See ../README.md.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"os/signal"
	"syscall"

	"github.com/powerhose/powerhose/worker"
)

func main() {
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	w, err := worker.New(worker.Config{
		Services: worker.Services{"square": worker.Text(square)},
		Logger:   logger,
	})
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = w.Run(ctx)
	}
	if err != nil {
		logger.Error("the worker ends", "error", err)
		os.Exit(1)
	}
}

// maxDigits bounds what one job may cost: reading a number takes longer than its
// length.
const maxDigits = 10_000

// square is the whole worker: text in, text out. Nothing is serialised, the two
// sides agree on what the bytes mean.
func square(_ context.Context, text string) (string, error) {
	if len(text) > maxDigits {
		return "", fmt.Errorf("%d characters are too many, at most %d", len(text), maxDigits)
	}
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		return "", fmt.Errorf("%q is not a whole number", text)
	}
	return n.Mul(n, n).String(), nil
}
