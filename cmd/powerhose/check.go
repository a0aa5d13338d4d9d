// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/powerhose/powerhose/internal/cli"
	"github.com/powerhose/powerhose/jobrunner"
)

// The exit codes of check are those of monitoring plugins (Nagios and its kin).
const (
	checkCritical = 2
	checkUnknown  = 3
)

func checkCommand(g *global) *cobra.Command {
	var (
		c       = &client{global: g}
		wait    time.Duration
		workers int
	)
	cmd := &cobra.Command{
		Use: "check", Short: "Tell whether the master is well",
		Long: `Tells whether a master answers, is not draining, and has enough workers. If so it
prints the master's process id and nothing else; if not, what is wrong. It tries
again until all is well or --wait has passed, so a script can wait for a start.

Exit codes, as monitoring plugins have them:
  0  OK
  2  CRITICAL: no master, or it drains, or it has too few workers
  3  UNKNOWN: wrong usage`,
		Example: `  powerhose check --wait 5s --workers 2 && ./start-my-application`,
		Args:    cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case wait <= 0:
				return errors.New("--wait must be more than 0")
			case workers < 0:
				return errors.New("--workers must not be negative")
			}
			logger := c.log.Logger(cmd.ErrOrStderr())
			ctx, stop := cli.Interruptible(cmd.Context(), logger)
			defer stop()
			runner, err := c.connect(jobrunner.Config{Logger: logger})
			if err != nil {
				return err
			}
			defer runner.Close()
			ctx, cancel := context.WithTimeout(ctx, wait)
			defer cancel()
			pid, err := c.well(ctx, runner, workers)
			if err != nil {
				// Monitoring shows what a plugin writes to standard output.
				fmt.Fprintf(cmd.OutOrStdout(), "CRITICAL: %v\n", err)
				return &cli.Error{Code: checkCritical}
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), pid)
			return cli.Fail(err)
		},
	}
	cli.UsageExit(cmd, checkUnknown)
	fs := cmd.Flags()
	fs.DurationVarP(&wait, "wait", "w", defaultLook, "how long to try until all is well")
	fs.IntVar(&workers, "workers", 0, "how many workers there must be at least")
	c.flags(fs)
	return cmd
}

// well returns the master's pid when all is well, or what is not when ctx ends.
func (c *client) well(ctx context.Context, runner *jobrunner.Runner, workers int) (pid int, err error) {
	for {
		status, askErr := c.ask(ctx, runner)
		switch {
		case askErr != nil && err != nil:
			return 0, err // what was wrong when it answered last says more
		case askErr != nil:
			return 0, askErr
		case status.Draining:
			err = fmt.Errorf("the master (process %d) is draining", status.PID)
		case len(status.Workers) < workers:
			err = fmt.Errorf("the master (process %d) has %d of %d workers", status.PID, len(status.Workers), workers)
		default:
			return status.PID, nil
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return 0, err
		}
	}
}
