// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/powerhose/powerhose/cmd/internal/masterflag"
	"github.com/powerhose/powerhose/internal/cli"
	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/supervise"
	"github.com/powerhose/powerhose/internal/workerenv"
	"github.com/powerhose/powerhose/jobrunner"
	"github.com/powerhose/powerhose/master"
)

// workerProgram is what run starts unless it is told otherwise.
const workerProgram = "powerhose-worker"

const runLong = `Runs a master in this process, and a number of workers: powerhose-worker, looked
up beside this program and then in PATH, or COMMAND. Workers that die are started
again; they end with this process, however it ends.

COMMAND finds POWERHOSE_WORKER=1 in its environment, and in POWERHOSE_BACKEND the
endpoint to register at.

SIGTERM or SIGINT (Ctrl-C) drains: the master takes nothing new, the workers
finish what they have, then all end. A second signal ends it at once.

Exit codes:
  0  drained
  1  an error, a second signal, or workers that had to be killed
  2  wrong usage
  3  another live master holds an endpoint; the message names its process`

// running is one run of run.
type running struct {
	*global
	log     cli.Log
	master  master.Config
	workers int
	nice    int
}

func runCommand(g *global) *cobra.Command {
	r := &running{global: g}
	cmd := &cobra.Command{
		Use: "run [flags] [-- COMMAND...]", Short: "Run a master and a number of workers", Long: runLong,
		Example: `  powerhose run --workers 4
  powerhose run --workers 2 -- python3 worker.py`,
		RunE: func(cmd *cobra.Command, args []string) error {
			r.master.Frontend, r.master.Backend = r.frontend, r.backend
			if err := r.check(); err != nil {
				return err
			}
			return r.run(cmd, args)
		},
	}
	fs := cmd.Flags()
	fs.SetInterspersed(false) // COMMAND has flags of its own
	fs.IntVarP(&r.workers, "workers", "n", runtime.NumCPU(), "how many workers to keep running")
	fs.IntVar(&r.nice, "nice", jobrunner.DefaultNice, "added to this process's niceness for the workers, 0 to 19")
	masterflag.Add(fs, &r.master)
	r.log.Flags(fs, "info")
	return cmd
}

func (r *running) check() error {
	switch {
	case r.workers < 1 || r.workers > supervise.MaxProcesses:
		return fmt.Errorf("--workers must be from 1 to %d", supervise.MaxProcesses)
	case r.nice < 0 || r.nice > supervise.MaxNice:
		return fmt.Errorf("--nice must be from 0 to %d", supervise.MaxNice)
	}
	return masterflag.Check(r.master)
}

func (r *running) run(cmd *cobra.Command, command []string) error {
	logger := r.log.Logger(cmd.ErrOrStderr())
	if len(command) == 0 {
		program, err := findWorker()
		if err != nil {
			return cli.Fail(err)
		}
		command = []string{program, "--log-format", r.log.Format, "--log-level", r.log.Level}
	}
	ctx, stop := cli.Interruptible(cmd.Context(), logger)
	defer stop()
	r.master.Logger = logger
	m, err := master.New(r.master)
	if err != nil {
		return masterflag.Fail(err)
	}
	return cli.Fail(r.serve(ctx, m, command, logger))
}

// serve runs master and workers until ctx ends or the master fails. The master
// ends first: by then nobody waits for a job any more, and the workers are free.
func (r *running) serve(ctx context.Context, m *master.Master, command []string, logger *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }() // received from below
	pool, err := supervise.Start(supervise.Config{
		Command: command, N: r.workers, Nice: r.nice, Env: r.environment(m), Logger: logger,
	})
	if err != nil {
		cancel()
		return errors.Join(err, <-ended)
	}
	logger.Info("serving", "pid", os.Getpid(), "frontend", m.Frontend(), "backend", m.Backend(),
		"workers", r.workers, "command", command[0])
	masterErr := <-ended
	stopCtx, stopCancel := context.WithTimeout(context.Background(), r.master.DrainTimeout)
	defer stopCancel()
	err = errors.Join(masterErr, pool.Stop(stopCtx))
	if err == nil {
		logger.Info("drained")
	}
	return err
}

// environment tells the workers where the master is, and what goes for it.
func (r *running) environment(m *master.Master) []string {
	env := []string{
		workerenv.Worker + "=1",
		endpoint.EnvBackend + "=" + m.Backend(),
		workerenv.MaxMessage + "=" + strconv.FormatInt(r.master.MaxMessage, 10),
		workerenv.LogLevel + "=" + r.log.Level,
	}
	if r.master.Insecure {
		env = append(env, workerenv.Insecure+"=1")
	}
	return env
}

// findWorker looks for powerhose-worker beside this program, then in PATH.
func findWorker() (string, error) {
	self, err := os.Executable()
	if err == nil {
		beside := filepath.Join(filepath.Dir(self), workerProgram)
		if found, err := exec.LookPath(beside); err == nil {
			return found, nil
		}
	}
	if found, err := exec.LookPath(workerProgram); err == nil {
		return found, nil
	}
	return "", fmt.Errorf("%s is neither beside this program (%s) nor in PATH: install it, or name a command after --", workerProgram, self)
}
