// SPDX-License-Identifier: Apache-2.0

// Powerhose-worker is a worker with a few built-in services, to try a set-up
// out, to measure it and to test it. See docs/commands.md.
package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/powerhose/powerhose/internal/cli"
	"github.com/powerhose/powerhose/internal/lifeline"
	"github.com/powerhose/powerhose/internal/services"
	"github.com/powerhose/powerhose/internal/version"
	"github.com/powerhose/powerhose/worker"
)

const long = `A worker with built-in services:
  echo    answers with the job itself
  square  a decimal integer of up to 4096 digits: answers with its square
  sleep   a number of milliseconds: waits, and answers with the number
  burn    a number of milliseconds: uses as much processor time, and answers with
          the number

SIGTERM or SIGINT drains: it takes no new job and finishes what it has. A second
signal ends it at once.

Each flag can also be set by an environment variable: --drain-timeout by
POWERHOSE_DRAIN_TIMEOUT. The command line wins.

Exit codes:
  0  drained
  1  an error, or a second signal
  2  wrong usage
  3  the master is gone, or never was there`

// exitMasterGone tells a supervisor that starting again may help.
const exitMasterGone = 3

func main() { os.Exit(cli.Run(command())) }

func command() *cobra.Command {
	var (
		cfg   worker.Config
		names []string
		log   cli.Log
	)
	cmd := &cobra.Command{
		Use: "powerhose-worker", Short: "A worker with built-in services", Long: long,
		Version: version.Version, Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cli.FromEnvironment(cmd.Flags()); err != nil {
				return err
			}
			var err error
			if cfg.Services, err = handlers(names); err != nil {
				return err
			}
			return serve(cmd, cfg, log)
		},
	}
	fs := cmd.Flags()
	cli.Backend(fs, &cfg.Backend, "the master's endpoint for workers")
	fs.StringSliceVar(&names, "services", services.Names(), "the services to offer, with commas between")
	fs.IntVar(&cfg.Capacity, "capacity", 1, "how many jobs to run at once, 1 to 1024")
	fs.IntVar(&cfg.Prefetch, "prefetch", 0, "how many jobs to be handed beyond that, up to 256; negative means none, 0 decides by itself (default 0)")
	fs.StringVar(&cfg.Listen, "listen", "", "listen at this endpoint for jobs: an ipc path, to which a number is added, or a tcp address with port 0 (default they come over the connection to the backend)")
	fs.DurationVar(&cfg.Patience, "patience", worker.DefaultPatience, "how long to try to reach a silent master before giving up")
	fs.DurationVar(&cfg.DrainTimeout, "drain-timeout", worker.DefaultDrainTimeout, "how long jobs may take to finish after SIGTERM")
	cli.Size(fs, &cfg.MaxMessage, "max-message", 64<<20, "the largest job and the largest result, not less than the master's")
	cli.Insecure(fs, &cfg.Insecure)
	log.Flags(fs, "info")
	return cmd
}

// handlers makes handlers of the built-in services of these names.
func handlers(names []string) (worker.Services, error) {
	found, err := services.Lookup(names)
	if err != nil {
		return nil, err
	}
	made := make(worker.Services, len(found))
	for name, f := range found {
		made[name] = func(ctx context.Context, job *worker.Job) ([]byte, error) {
			return f(ctx, job.Payload)
		}
	}
	return made, nil
}

func serve(cmd *cobra.Command, cfg worker.Config, log cli.Log) error {
	cfg.Logger = log.Logger(cmd.ErrOrStderr())
	err := lifeline.Hold(func() {
		cfg.Logger.Error("the parent process is gone")
		os.Exit(cli.ExitError)
	})
	if err != nil {
		return cli.Fail(err)
	}
	w, err := worker.New(cfg)
	if err != nil {
		return err // New only checks: it was on the command line
	}
	ctx, stop := cli.Interruptible(cmd.Context(), cfg.Logger)
	defer stop()
	err = w.Run(ctx)
	if errors.Is(err, worker.ErrMasterGone) {
		return &cli.Error{Code: exitMasterGone, Err: err}
	}
	return cli.Fail(err)
}
