// SPDX-License-Identifier: Apache-2.0

package jobrunner

import (
	"fmt"
	"log/slog"
	"runtime"
	"time"
)

const (
	// DefaultTimeout is how long a job may take if neither it, nor its context,
	// nor the Config says otherwise.
	DefaultTimeout = 5 * time.Second
	// DefaultNice is the niceness of the workers that Start starts: the process
	// that serves users wins where both want the processor.
	DefaultNice = 5
	// NiceNone, as Config.Nice, leaves the workers at this process's niceness.
	NiceNone = -1
	// NoWorkers, as Config.Workers, starts none: workers come by themselves and
	// register at Config.Backend.
	NoWorkers = -1
	// NoWait, as Job.Wait, refuses the job at once if it cannot start now; also
	// while no master is connected yet, right after Connect.
	NoWait time.Duration = -1
)

// Config of a Runner. The zero value of a field means its default.
type Config struct {
	// Timeout bounds every job that has no earlier deadline. Defaults to
	// DefaultTimeout.
	Timeout time.Duration
	// MaxMessage is the largest payload and the largest result, in bytes. It
	// should be the same everywhere. Defaults to 32 MiB.
	MaxMessage int64
	// Insecure allows tcp endpoints that are not on this machine: nothing on
	// such a connection is encrypted or authenticated.
	Insecure bool
	// Logger receives what an operator should know, never a payload. Defaults
	// to none.
	Logger *slog.Logger

	// Masters are the frontends to connect to, in the order of preference: the
	// first that lives is used. Defaults to $POWERHOSE_FRONTEND, else the
	// default socket of this user. Connect only; the rest is for Start only.
	Masters []string

	// Workers is how many worker processes to start. Defaults to one for each
	// CPU; NoWorkers for none.
	Workers int
	// Command is the program of the workers and its arguments. Defaults to this
	// program itself, which must call worker.Main first thing in main.
	Command []string
	// Env is added to the workers' environment, each as NAME=value.
	Env []string
	// Nice is added to this process's niceness for the workers, as nice(1) does:
	// 1 to 19. Defaults to DefaultNice; NiceNone for no change.
	Nice int
	// Backend is where workers register. Defaults to a socket in a private
	// directory, which is removed at the end.
	Backend string
	// Heartbeat is how often master and workers give signs of life, Liveness
	// after how many silent ones a worker counts as dead. Default to 1 s and 3.
	Heartbeat time.Duration
	Liveness  int
	// Grace is how long a worker may go on with a job after its deadline before
	// the worker counts as hung and is not used any more. Defaults to 1 s.
	Grace time.Duration
	// MaxWaiting and MaxWaitingBytes bound the jobs that wait for a worker.
	// Default to 16384 jobs and 256 MiB of payload.
	MaxWaiting      int
	MaxWaitingBytes int64
	// DrainTimeout is how long Close lets workers finish what they have before
	// it kills them. Defaults to 5 s.
	DrainTimeout time.Duration
}

func (c Config) withDefaults() Config {
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Workers == 0 {
		c.Workers = runtime.NumCPU()
	}
	if c.Nice == 0 {
		c.Nice = DefaultNice
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = 5 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Timeout < 0:
		return fmt.Errorf("jobrunner: Config.Timeout is %v, it must be positive", c.Timeout)
	case c.DrainTimeout < 0:
		return fmt.Errorf("jobrunner: Config.DrainTimeout is %v, it must be positive", c.DrainTimeout)
	case c.Nice != NiceNone && (c.Nice < 1 || c.Nice > 19):
		return fmt.Errorf("jobrunner: Config.Nice is %d, allowed are 1 to 19 and NiceNone", c.Nice)
	case c.Workers > 4096:
		return fmt.Errorf("jobrunner: Config.Workers is %d, at most 4096", c.Workers)
	}
	return nil
}
