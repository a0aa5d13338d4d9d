// SPDX-License-Identifier: Apache-2.0

// Powerhose-worker is a worker with a few built-in services, to try a set-up
// out, to measure it and to test it. See docs/commands.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/powerhose/powerhose/internal/cli"
	"github.com/powerhose/powerhose/internal/cryptosvc"
	"github.com/powerhose/powerhose/internal/lifeline"
	"github.com/powerhose/powerhose/internal/services"
	"github.com/powerhose/powerhose/internal/version"
	"github.com/powerhose/powerhose/internal/workerenv"
	"github.com/powerhose/powerhose/worker"
)

const long = `A worker with built-in services:
  echo    answers with the job itself
  square  a decimal integer of up to 4096 digits: answers with its square
  sleep   a number of milliseconds: waits, and answers with the number
  burn    a number of milliseconds: uses as much processor time, and answers with
          the number
  crypto  hashes, MACs, derived keys, signatures and encryption, also with keys
          that only this process holds: protocol/crypto/README.md

--keys names a directory of such keys, files NAME.TYPE of mode 0600. It is read
once, at start. Because this process may hold secrets it leaves no core dump, and
no other process of the same user may trace it, unless --core-dumps is given.

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
		cfg       worker.Config
		names     []string
		keys      string
		coreDumps bool
		log       cli.Log
	)
	cmd := &cobra.Command{
		Use: "powerhose-worker", Short: "A worker with built-in services", Long: long,
		Version: version.Version, Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cli.FromEnvironment(cmd.Flags()); err != nil {
				return err
			}
			if !coreDumps {
				if err := keepSecrets(); err != nil { // before there are any
					return cli.Fail(err)
				}
			}
			cfg.Logger = log.Logger(cmd.ErrOrStderr())
			var err error
			if cfg.Services, err = handlers(names, keys, cfg.Logger); err != nil {
				return err
			}
			return serve(cmd, cfg)
		},
	}
	fs := cmd.Flags()
	cli.Backend(fs, &cfg.Backend, "the master's endpoint for workers")
	fs.StringSliceVar(&names, "services", allServices(), "the services to offer, with commas between")
	fs.StringVar(&keys, "keys", "", "the directory of the keys that jobs of the service crypto may name (default none)")
	fs.BoolVar(&coreDumps, "core-dumps", false, "allow core dumps of this process and tracing it, with all secrets in its memory")
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

// allServices are the names of all built-in services in alphabetical order.
func allServices() []string {
	names := append(services.Names(), cryptosvc.Name)
	slices.Sort(names)
	return names
}

// handlers makes handlers of the built-in services of these names.
func handlers(names []string, keyDir string, log *slog.Logger) (worker.Services, error) {
	all := allServices()
	for _, name := range names {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("there is no built-in service %q, only %s", name, strings.Join(all, ", "))
		}
	}
	plain := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == cryptosvc.Name })
	found, err := services.Lookup(plain)
	if err != nil {
		return nil, err
	}
	made := make(worker.Services, len(names))
	for name, f := range found {
		made[name] = func(ctx context.Context, job *worker.Job) ([]byte, error) {
			return f(ctx, job.Payload)
		}
	}
	switch {
	case len(plain) < len(names):
		made[cryptosvc.Name], err = cryptoHandler(keyDir, log)
	case keyDir != "":
		err = errors.New("--keys is of no use without the service crypto")
	}
	return made, err
}

// cryptoHandler makes the handler of the service crypto.
func cryptoHandler(keyDir string, log *slog.Logger) (worker.Handler, error) {
	var keys *cryptosvc.Keys
	if keyDir != "" {
		var err error
		if keys, err = cryptosvc.LoadKeys(keyDir); err != nil {
			return nil, cli.Fail(err)
		}
		log.Info("keys loaded", "directory", keyDir, "keys", keys.Names())
	}
	service := cryptosvc.New(keys)
	return func(ctx context.Context, job *worker.Job) ([]byte, error) {
		return service.Do(ctx, job.Payload)
	}, nil
}

func serve(cmd *cobra.Command, cfg worker.Config) error {
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
	workerenv.LimitProcs(cfg.Capacity)
	ctx, stop := cli.Interruptible(cmd.Context(), cfg.Logger)
	defer stop()
	err = w.Run(ctx)
	if errors.Is(err, worker.ErrMasterGone) {
		return &cli.Error{Code: exitMasterGone, Err: err}
	}
	return cli.Fail(err)
}
