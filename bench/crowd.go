// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/powerhose/powerhose/jobrunner"
	"github.com/powerhose/powerhose/worker"
)

// crowd is a stand-alone master with many of something around it: a target that
// gives its jobs to one runner after the other, and to one service after the
// other.
type crowd struct {
	master   int // its process id
	runners  []*jobrunner.Runner
	services []string
	turn     atomic.Uint64
	weights  map[string]float64 // what the master's memory grew by, by key of the row
}

// gather starts the master, then the workers, then the runners, and weighs the
// master in between.
func (s *site) gather(ctx context.Context) (c *crowd, err error) {
	c = &crowd{services: serviceNames(s.work), weights: map[string]float64{}}
	frontend := "ipc://" + filepath.Join(s.dir, "frontend.sock")
	backend := "ipc://" + filepath.Join(s.dir, "backend.sock")
	master, err := s.children.start(ctx, nil, filepath.Join(s.tools, "powerhose-master"),
		"--frontend", frontend, "--backend", backend, "--log-level", "warn")
	if err != nil {
		return nil, err
	}
	c.master = master.cmd.Process.Pid
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if err := c.join(ctx, frontend); err != nil { // the first runner, who asks for the status
		return c, err
	}
	empty, err := currentRSS(c.master)
	if err != nil {
		return c, err
	}
	if _, err := s.children.startRole(ctx, "many-workers", backend, strconv.Itoa(s.work.Workers), strconv.Itoa(s.work.Services)); err != nil {
		return c, err
	}
	if err := (&hose{c.runners[0]}).awaitWorkers(ctx, s.work.Workers); err != nil {
		return c, err
	}
	crewed, err := currentRSS(c.master)
	if err != nil {
		return c, err
	}
	if s.work.Workers >= 100 { // a few would be weighed with all that is there but once
		c.weights["bytes_per_worker"] = float64(crewed-empty) / float64(s.work.Workers)
	}
	for len(c.runners) < s.work.Runners {
		if err := c.join(ctx, frontend); err != nil {
			return c, err
		}
	}
	staffed, err := currentRSS(c.master)
	if err != nil {
		return c, err
	}
	if others := s.work.Runners - 1; others > 0 {
		c.weights["bytes_per_runner"] = float64(staffed-crewed) / float64(others)
	}
	c.weights["master_rss_bytes"] = float64(staffed)
	return c, nil
}

// join connects one more runner.
func (c *crowd) join(ctx context.Context, frontend string) error {
	runner, err := jobrunner.Connect(jobrunner.Config{Masters: []string{frontend}, Timeout: time.Minute})
	if err != nil {
		return err
	}
	c.runners = append(c.runners, runner)
	_, err = runner.Status(ctx) // it is connected
	return err
}

// call implements target.
func (c *crowd) call(ctx context.Context, _ string, payload []byte) ([]byte, error) {
	n := c.turn.Add(1)
	runner, service := c.runners[n%uint64(len(c.runners))], c.services[n%uint64(len(c.services))]
	return runner.ExecuteBytes(ctx, service, payload)
}

// close implements target.
func (c *crowd) close() error {
	var errs []error
	for _, r := range c.runners {
		errs = append(errs, r.Close())
	}
	c.runners = nil
	return errors.Join(errs...)
}

// jobCounts are how many jobs the master has.
type jobCounts struct{ waiting, running int }

// await asks the master until it has as many jobs as wanted.
func (c *crowd) await(ctx context.Context, enough func(jobCounts) bool) error {
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		status, err := c.runners[0].Status(ctx)
		if err == nil && enough(jobCounts{status.Jobs.Waiting, status.Jobs.Running}) {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("%d jobs wait, %d run: %w", status.Jobs.Waiting, status.Jobs.Running, errors.Join(ctx.Err(), err))
		}
	}
}

// manyWorkers are workers that share a process, which no user would do: a
// thousand processes would measure the machine, not the master. Each has its own
// connection, registration, ledger and heartbeats.
func manyWorkers(ctx context.Context, args []string) error {
	count, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	services, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	offered := worker.Services{"echo": echoJob, "sleep": worker.Text(sleep)}
	if services > 1 {
		for _, name := range serviceNames(work{Services: services}) {
			offered[name] = echoJob
		}
	}
	failed := make(chan error, count)
	for i := range count {
		w, err := worker.New(worker.Config{Backend: args[0], Services: offered, Identity: fmt.Sprintf("crowd-%d-%d", os.Getpid(), i)})
		if err != nil {
			return err
		}
		go func() { failed <- w.Run(ctx) }()
	}
	serve(ctx, "ready")
	for range count {
		err = errors.Join(err, <-failed)
	}
	return err
}

func echoJob(_ context.Context, job *worker.Job) ([]byte, error) { return job.Payload, nil }

// sleep waits for a number of microseconds, and answers with it.
func sleep(ctx context.Context, text string) (string, error) {
	us, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return "", err
	}
	timer := time.NewTimer(time.Duration(us) * time.Microsecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return text, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// raiseLimits allows as many open files as the system lets us, for children too.
func raiseLimits() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
}

// currentRSS reads a process' resident set as it is now, in octets.
func currentRSS(pid int) (int64, error) { return statusKiB(pid, "VmRSS:") }
