// SPDX-License-Identifier: Apache-2.0

// Powerhose-master is a stand-alone master: workers register at its backend, and
// it hands them the jobs of the runners that connect to its frontend. See
// docs/commands.md.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/powerhose/powerhose/cmd/internal/masterflag"
	"github.com/powerhose/powerhose/internal/cli"
	"github.com/powerhose/powerhose/internal/version"
	"github.com/powerhose/powerhose/master"
)

const long = `A stand-alone master: workers register at its backend, and it hands them the jobs
of the runners that connect to its frontend.

SIGTERM or SIGINT drains: nothing new is taken, what runs may finish. A second
signal ends it at once.

Each flag can also be set by an environment variable: --max-message by
POWERHOSE_MAX_MESSAGE. The command line wins.

Exit codes:
  0  drained
  1  an error, or a second signal
  2  wrong usage
  3  another live master holds an endpoint; the message names its process`

func main() { os.Exit(cli.Run(command())) }

func command() *cobra.Command {
	var (
		cfg master.Config
		log cli.Log
	)
	cmd := &cobra.Command{
		Use: "powerhose-master", Short: "A stand-alone master", Long: long,
		Version: version.Version, Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cli.FromEnvironment(cmd.Flags()); err != nil {
				return err
			}
			if err := masterflag.Check(cfg); err != nil {
				return err
			}
			return masterflag.Fail(serve(cmd, cfg, log))
		},
	}
	fs := cmd.Flags()
	cli.Frontend(fs, &cfg.Frontend, "where runners connect")
	cli.Backend(fs, &cfg.Backend, "where workers register")
	masterflag.Add(fs, &cfg)
	log.Flags(fs, "info")
	return cmd
}

func serve(cmd *cobra.Command, cfg master.Config, log cli.Log) error {
	logger := log.Logger(cmd.ErrOrStderr())
	cfg.Logger = logger
	ctx, stop := cli.Interruptible(cmd.Context(), logger)
	defer stop()
	m, err := master.New(cfg)
	if err != nil {
		return err
	}
	logger.Info("serving", "pid", os.Getpid(), "frontend", m.Frontend(), "backend", m.Backend())
	if err := m.Run(ctx); err != nil {
		return err
	}
	logger.Info("drained")
	return nil
}
