// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/powerhose/powerhose/internal/cli"
	"github.com/powerhose/powerhose/jobrunner"
)

const execLong = `Has a worker do one job, and writes the result to standard output as it is:
nothing is added, not even a newline. Errors go to standard error.

The job is the argument, or standard input where there is none or it is "-". Put
"--" before a job that begins with a dash.

Exit codes:
`

// execution is one run of exec.
type execution struct {
	client
	job        jobrunner.Job
	maxMessage int64
	noWait     bool
}

func execCommand(g *global) *cobra.Command {
	x := &execution{client: client{global: g}}
	cmd := &cobra.Command{
		Use: "exec [flags] [JOB|-]", Short: "Have a worker do one job",
		Long: execLong + outcomeTable(),
		Example: `  powerhose exec --service square 12
  powerhose exec --service echo <picture.png >copy.png
  powerhose exec --service square -- -7`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("%d arguments, but a job is one: quote it", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := x.check(); err != nil {
				return err
			}
			return x.run(cmd, args)
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&x.job.Service, "service", "s", "", "the service (default the one without a name)")
	fs.DurationVarP(&x.job.Timeout, "timeout", "t", jobrunner.DefaultTimeout, "how long the job may take, waiting included")
	fs.IntVar(&x.job.Retries, "retries", 0, "how many more workers may run it after one was lost that may have started it, 0 to 255")
	fs.BoolVar(&x.job.Idempotent, "idempotent", false, "running it twice is as good as once: the same as --retries 1")
	fs.BoolVar(&x.noWait, "no-wait", false, "refuse the job at once if no worker can start it now")
	cli.Size(fs, &x.maxMessage, "max-message", 32<<20, "the largest job and the largest result, 64KiB to 1GiB")
	x.flags(fs)
	return cmd
}

func (x *execution) check() error {
	switch {
	case x.job.Timeout <= 0:
		return errors.New("--timeout must be more than 0")
	case x.job.Retries < 0 || x.job.Retries > 255:
		return errors.New("--retries must be from 0 to 255")
	}
	if x.noWait {
		x.job.Wait = jobrunner.NoWait
	}
	return nil
}

func (x *execution) run(cmd *cobra.Command, args []string) error {
	logger := x.log.Logger(cmd.ErrOrStderr())
	ctx, stop := cli.Interruptible(cmd.Context(), logger)
	defer stop()
	runner, err := x.connect(jobrunner.Config{MaxMessage: x.maxMessage, Logger: logger})
	if err != nil {
		return err
	}
	defer runner.Close()
	if x.job.Payload, err = x.payload(ctx, cmd.InOrStdin(), args); err != nil {
		return err
	}
	result, err := x.do(ctx, runner)
	if err != nil {
		return failJob(err)
	}
	if _, err := cmd.OutOrStdout().Write(result); err != nil {
		return &cli.Error{Code: exitIO, Err: fmt.Errorf("write the result: %w", err)}
	}
	return nil
}

// payload returns the job. One that is longer than allowed is cut after the
// first byte too much: the runner refuses it.
func (x *execution) payload(ctx context.Context, stdin io.Reader, args []string) ([]byte, error) {
	if len(args) > 0 && args[0] != "-" {
		return []byte(args[0]), nil
	}
	type input struct {
		data []byte
		err  error
	}
	read := make(chan input, 1)
	go func() { // ends with the process at the latest: reading a terminal cannot be called off
		data, err := io.ReadAll(io.LimitReader(stdin, x.maxMessage+1))
		read <- input{data, err}
	}()
	select {
	case in := <-read:
		if in.err != nil {
			return nil, &cli.Error{Code: exitIO, Err: fmt.Errorf("read the job: %w", in.err)}
		}
		return in.data, nil
	case <-ctx.Done():
		return nil, failJob(fmt.Errorf("%w while reading the job", jobrunner.ErrCancelled))
	}
}

// do executes the job.
func (x *execution) do(ctx context.Context, runner *jobrunner.Runner) ([]byte, error) {
	until, cancel := context.WithTimeout(ctx, x.job.Timeout)
	defer cancel()
	if x.noWait {
		// It is the worker that must not be waited for. A connection always takes
		// a moment.
		if _, err := x.ask(until, runner); err != nil && ctx.Err() == nil {
			return nil, &noMaster{err}
		}
	}
	result, err := runner.Do(until, x.job)
	var of *jobrunner.Error
	switch {
	case errors.Is(err, jobrunner.ErrNoWorker):
		return nil, x.explain(ctx, runner, err)
	case errors.Is(err, jobrunner.ErrMasterLost) && errors.As(err, &of) && !of.MayHaveRun():
		return nil, &noMaster{errNoMaster(x.frontend)}
	}
	return result, err
}

// noMaster is the jobrunner.ErrMasterLost of a master that never was there.
type noMaster struct{ error }

func (*noMaster) Is(target error) bool { return target == jobrunner.ErrMasterLost }

// explain adds which services there are to the news that this one is not.
func (x *execution) explain(ctx context.Context, runner *jobrunner.Runner, err error) error {
	if !errors.Is(err, jobrunner.ErrNoWorker) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	status, statusErr := runner.Status(ctx)
	if statusErr != nil {
		return err
	}
	var offered []string
	for _, s := range status.Services {
		if s.Workers > 0 {
			offered = append(offered, strconv.Quote(s.Name))
		}
	}
	if len(offered) == 0 {
		return fmt.Errorf("%w: there is no worker at all", err)
	}
	return fmt.Errorf("%w: the workers offer %s", err, strings.Join(offered, ", "))
}
