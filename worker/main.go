// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/powerhose/powerhose/internal/lifeline"
	"github.com/powerhose/powerhose/internal/workerenv"
)

// Main makes this process a worker if it was started as one, and returns at once
// if not. Call it first in main, before anything that only the other kind of
// process should do.
//
// A process was started as a worker if POWERHOSE_WORKER is "1" in its
// environment, as jobrunner.Start and powerhose run set it. Then Main serves
// and never returns:
//
//   - SIGTERM or SIGINT drains, and the process exits with 0; a second one exits
//     at once, with 1.
//   - When there is no master any more, or any other error of Worker.Run, the
//     process exits with 1 and leaves it to its supervisor to start another.
//   - It logs to standard error, as text.
//
// The rest of Config comes from the environment, with the same defaults:
// POWERHOSE_BACKEND, POWERHOSE_CAPACITY, POWERHOSE_PREFETCH, POWERHOSE_LISTEN,
// POWERHOSE_PATIENCE and POWERHOSE_DRAIN_TIMEOUT (such as "10s"),
// POWERHOSE_MAX_MESSAGE, POWERHOSE_INSECURE ("1"), and POWERHOSE_LOG_LEVEL
// (debug, info, warn or error; info by default). If POWERHOSE_LIFELINE_FD is the
// number of an inherited pipe, its end means that the parent has died: the
// process exits at once.
//
// Unless GOMAXPROCS is set, Main sets it to the capacity: a worker computes on as
// many CPUs as it runs jobs.
func Main(services Services) {
	if os.Getenv(workerenv.Worker) != "1" {
		return
	}
	err := runMain(services, os.Getenv)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func runMain(services Services, getenv func(string) string) error {
	// First of all, since it is what ends this process when all else fails.
	err := lifeline.Hold(func() {
		fmt.Fprintln(os.Stderr, "worker: the parent process is gone")
		os.Exit(1)
	})
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	cfg, err := configFrom(getenv)
	if err != nil {
		return err
	}
	cfg.Services = services
	if err := os.Unsetenv(workerenv.Worker); err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	w, err := New(cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(1)
	}()
	workerenv.LimitProcs(cfg.Capacity)
	return w.Run(ctx)
}

// configFrom reads a Config without Services from the environment.
func configFrom(getenv func(string) string) (Config, error) {
	e := environment{getenv: getenv}
	var level slog.Level
	e.read(workerenv.LogLevel, func(s string) error { return level.UnmarshalText([]byte(s)) })
	cfg := Config{
		Capacity: e.number(workerenv.Capacity), Prefetch: e.number(workerenv.Prefetch),
		Listen:   getenv(workerenv.Listen),
		Patience: e.duration(workerenv.Patience), DrainTimeout: e.duration(workerenv.DrainTimeout),
		MaxMessage: int64(e.number(workerenv.MaxMessage)), Insecure: getenv(workerenv.Insecure) == "1",
	}
	cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	return cfg, e.err
}

// environment keeps the first error of a series of variables. One that is not
// set, or empty, gives zero.
type environment struct {
	getenv func(string) string
	err    error
}

func (e *environment) read(name string, parse func(string) error) {
	s := e.getenv(name)
	if s == "" || e.err != nil {
		return
	}
	if err := parse(s); err != nil {
		e.err = fmt.Errorf("worker: %s is %q: %w", name, s, err)
	}
}

func (e *environment) number(name string) (n int) {
	e.read(name, func(s string) (err error) { n, err = strconv.Atoi(s); return err })
	return n
}

func (e *environment) duration(name string) (d time.Duration) {
	e.read(name, func(s string) (err error) { d, err = time.ParseDuration(s); return err })
	return d
}
