// SPDX-License-Identifier: Apache-2.0

// Package supervise keeps a number of processes of one command running: it
// starts them, restarts those that die, and takes them along when this process
// ends, however it ends.
//
// It is for worker processes, and knows nothing about what they do: a worker
// that hangs is the master's business. A machine's own supervisor (systemd,
// runit, daemontools) can do the same and more; this one is for a single
// program that brings its workers along.
//
// A child is tied to this process three times over. The kernel kills it when
// the thread that started it is gone (prctl PR_SET_PDEATHSIG; Linux). Its file
// descriptor 3 is the reading end of a pipe whose writing end only this process
// has: when it reads the end of the file, its parent is gone. That also reaches
// a worker that is not our child but a child of a wrapper script. And each child
// leads a process group of its own, which is killed as soon as the child itself
// has ended, so that nothing it started is left behind.
//
// The group has a second reason: a Ctrl-C in a terminal reaches the terminal's
// foreground group, so the parent alone gets it and can drain.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Limits of a Config.
const (
	// MaxProcesses bounds N.
	MaxProcesses = 4096
	// MaxNice is the highest niceness there is.
	MaxNice = 19
)

// Config says what to run. A zero field means its default, where one is named.
type Config struct {
	// Command is the program, looked up in PATH unless it has a slash, and its
	// arguments. Required.
	Command []string
	// N is how many to keep running, 1 to MaxProcesses. Defaults to 1.
	N int
	// Env is added to this process's environment, as "NAME=value". The lifeline's
	// variable (workerenv.LifelineFD) is added too.
	Env []string
	// Nice is added to this process's niceness, as nice(1) does: 0 to 19, where
	// higher gives way to others more. A sum beyond 19 is 19. Defaults to 0.
	Nice int
	// Output receives what the processes write to stdout and stderr, line by
	// line, each line with the process id before it, in one Write at a time.
	// Lines longer than 64 KiB come in pieces. Defaults to this process's own
	// stdout and stderr, which the processes then inherit.
	Output io.Writer
	// Logger receives starts, ends and restarts. Defaults to none.
	Logger *slog.Logger

	// clock is replaced by tests.
	clock clock
}

func (c Config) withDefaults() Config {
	if c.N == 0 {
		c.N = 1
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.clock == nil {
		c.clock = systemClock{}
	}
	return c
}

func (c Config) validate() error {
	switch {
	case len(c.Command) == 0 || c.Command[0] == "":
		return errors.New("supervise: Command is empty: name the program to run")
	case c.N < 1 || c.N > MaxProcesses:
		return fmt.Errorf("supervise: N is %d, allowed are 1 to %d", c.N, MaxProcesses)
	case c.Nice < 0 || c.Nice > MaxNice:
		return fmt.Errorf("supervise: Nice is %d, allowed are 0 to %d", c.Nice, MaxNice)
	}
	return nil
}

// Pool is a number of running processes. Its methods may be called from any
// goroutine.
type Pool struct {
	stop chan struct{} // closed: end all
	kill chan struct{} // closed: and do not wait any longer
	done chan struct{} // closed: every child is reaped

	stopOnce, killOnce sync.Once

	// mu guards what follows, written by the loop.
	mu       sync.Mutex
	pids     []int
	restarts uint64
	killed   int // processes that Stop had to kill
}

// Start starts the processes. It fails, leaving nothing behind, if one of them
// cannot be started. Stop must be called in the end.
func Start(cfg Config) (*Pool, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	p := &Pool{stop: make(chan struct{}), kill: make(chan struct{}), done: make(chan struct{})}
	started := make(chan error)
	go onOwnThread(func() {
		defer close(p.done)
		newLoop(p, cfg).run(started)
	})
	if err := <-started; err != nil {
		<-p.done
		return nil, err
	}
	return p, nil
}

// Stop sends SIGTERM to every process, waits until all have ended, and sends
// SIGKILL to those that have not when ctx ends. It returns when every process is
// reaped, with an error that wraps ctx's cause if any had to be killed. Calling
// it again waits as well, and may end the wait earlier.
func (p *Pool) Stop(ctx context.Context) error {
	p.stopOnce.Do(func() { close(p.stop) })
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
	}
	p.killOnce.Do(func() { close(p.kill) })
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.killed == 0 {
		return nil
	}
	return fmt.Errorf("supervise: killed %d process(es) that did not end in time: %w", p.killed, context.Cause(ctx))
}

// PIDs returns the process ids of those that run now, in no particular order.
func (p *Pool) PIDs() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]int(nil), p.pids...)
}

// Restarts returns how many processes were started in place of dead ones.
func (p *Pool) Restarts() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.restarts
}

// clock is the time that decides about restarts.
type clock interface {
	// Now has a monotonic reading.
	Now() time.Time
	// NewTimer returns a channel that receives once after d, and how to give it up.
	NewTimer(d time.Duration) (fires <-chan time.Time, stop func())
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) NewTimer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}
