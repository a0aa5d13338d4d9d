// SPDX-License-Identifier: Apache-2.0

// Package masterflag is the configuration of a master on the command line, for
// the two programs that have one.
package masterflag

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/spf13/pflag"

	"github.com/powerhose/powerhose/internal/cli"
	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/master"
	"github.com/powerhose/powerhose/protocol"
)

// Add adds a flag for each field of the Config but the endpoints, with the
// defaults of master.Config.
func Add(fs *pflag.FlagSet, cfg *master.Config) {
	fs.DurationVar(&cfg.Heartbeat, "heartbeat", master.DefaultHeartbeat,
		fmt.Sprintf("how often peers give signs of life, %v to %v", protocol.MinHeartbeat, protocol.MaxHeartbeat))
	fs.IntVar(&cfg.Liveness, "liveness", master.DefaultLiveness,
		fmt.Sprintf("after how many silent heartbeats a peer counts as dead, %d to %d", protocol.MinLiveness, protocol.MaxLiveness))
	fs.DurationVar(&cfg.Grace, "grace", master.DefaultGrace,
		"how long a worker may go on with a job after its deadline before it counts as hung")
	fs.IntVar(&cfg.MaxWaiting, "max-waiting", master.DefaultMaxWaiting, "how many jobs may wait for a worker")
	cli.Size(fs, &cfg.MaxWaitingBytes, "max-waiting-bytes", master.DefaultMaxWaitingBytes, "how many bytes the waiting jobs may have")
	cli.Size(fs, &cfg.MaxMessage, "max-message", master.DefaultMaxMessage, "the largest payload and the largest result, 64KiB to 1GiB")
	fs.IntVar(&cfg.MaxWorkers, "max-workers", master.DefaultMaxWorkers, "how many workers may register")
	fs.IntVar(&cfg.MaxRunners, "max-runners", master.DefaultMaxRunners, "how many runners may connect")
	fs.DurationVar(&cfg.DrainTimeout, "drain-timeout", master.DefaultDrainTimeout,
		"how long running jobs may take to finish after SIGTERM")
	cli.Insecure(fs, &cfg.Insecure)
}

// Check finds what is wrong on the command line, before master.New does: then it
// is wrong usage, and not a failure.
func Check(cfg master.Config) error {
	// A Config takes zero for "the default", but who writes a zero does not.
	for _, f := range []struct {
		name       string
		value      int64
		least, max int64
	}{
		{"liveness", int64(cfg.Liveness), protocol.MinLiveness, protocol.MaxLiveness},
		{"max-waiting", int64(cfg.MaxWaiting), 1, math.MaxInt32},
		{"max-waiting-bytes", cfg.MaxWaitingBytes, 1, math.MaxInt64},
		{"max-message", cfg.MaxMessage, protocol.MinMessage, protocol.MaxMessage},
		{"max-workers", int64(cfg.MaxWorkers), 1, math.MaxInt32},
		{"max-runners", int64(cfg.MaxRunners), 1, math.MaxInt32},
	} {
		if f.value < f.least || f.value > f.max {
			return fmt.Errorf("--%s is %d, allowed are %d to %d", f.name, f.value, f.least, f.max)
		}
	}
	for _, f := range []struct {
		name       string
		value      time.Duration
		least, max time.Duration
	}{
		{"heartbeat", cfg.Heartbeat, protocol.MinHeartbeat, protocol.MaxHeartbeat},
		{"grace", cfg.Grace, time.Nanosecond, math.MaxInt64},
		{"drain-timeout", cfg.DrainTimeout, time.Nanosecond, math.MaxInt64},
	} {
		if f.value < f.least || f.value > f.max {
			return fmt.Errorf("--%s is %v, allowed are %v to %v", f.name, f.value, f.least, f.max)
		}
	}
	return errors.Join(checkEndpoint("frontend", cfg.Frontend, cfg.Insecure), checkEndpoint("backend", cfg.Backend, cfg.Insecure))
}

func checkEndpoint(flag, value string, insecure bool) error {
	if value == "" {
		return nil // there is no default, and master.New says why
	}
	e, err := endpoint.ParseBind(value)
	if err == nil {
		err = endpoint.CheckInsecure(e, insecure)
	}
	if err != nil {
		return fmt.Errorf("--%s: %w", flag, err)
	}
	return nil
}

// Fail turns an error of master.New or Run into one with an exit code.
func Fail(err error) error {
	var inUse *master.InUseError
	if errors.As(err, &inUse) {
		return &cli.Error{Code: cli.ExitInUse, Err: err}
	}
	return cli.Fail(err)
}
