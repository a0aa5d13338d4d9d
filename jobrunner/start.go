// SPDX-License-Identifier: Apache-2.0

package jobrunner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/powerhose/powerhose/internal/dispatch"
	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/hub"
	"github.com/powerhose/powerhose/internal/supervise"
	"github.com/powerhose/powerhose/internal/workerenv"
)

// Start runs a master inside this process, and starts and supervises its
// workers. No other process can submit jobs to it. The workers end with this
// process, however it ends.
//
// Unless Config.Command says otherwise the workers are this same program,
// started again: its main must begin with worker.Main, which serves in such a
// process and does nothing in this one.
func Start(cfg Config) (*Runner, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if os.Getenv(workerenv.Worker) != "" && cfg.Workers > 0 && len(cfg.Command) == 0 {
		return nil, fmt.Errorf("jobrunner: this process was started as a worker (%s is set): call worker.Main first thing in main, before jobrunner.Start", workerenv.Worker)
	}
	backend, cleanUp, err := embeddedBackend(cfg)
	if err != nil {
		return nil, errorText(err)
	}
	h, err := hub.New(hub.Config{
		Backend: backend, MaxMessage: cfg.MaxMessage, Insecure: cfg.Insecure, Logger: cfg.Logger,
		Dispatch: dispatch.Config{
			Heartbeat: cfg.Heartbeat, Liveness: cfg.Liveness, Grace: cfg.Grace,
			MaxWaiting: cfg.MaxWaiting, MaxWaitingBytes: cfg.MaxWaitingBytes,
		},
	})
	if err != nil {
		cleanUp()
		return nil, errorText(err)
	}
	e, err := h.Embed()
	if err != nil {
		cleanUp()
		return nil, errorText(err)
	}
	pool, err := startWorkers(cfg, h.Backend())
	if err != nil {
		_ = e.Close()
		cleanUp()
		return nil, errorText(err)
	}
	r := newRunner(cfg, e, func() error {
		// Callers are answered first: a job that still runs is not waited for.
		e.Drain(0)
		var stopErr error
		if pool != nil {
			ctx, cancel := context.WithTimeout(context.Background(), cfg.DrainTimeout)
			defer cancel()
			stopErr = pool.Stop(ctx)
		}
		closeErr := e.Close()
		cleanUp()
		return errors.Join(stopErr, closeErr)
	})
	r.backend = h.Backend()
	return r, nil
}

func startWorkers(cfg Config, backend string) (*supervise.Pool, error) {
	if cfg.Workers < 0 {
		return nil, nil
	}
	command := cfg.Command
	if len(command) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this program to start it as a worker: %w", err)
		}
		command = []string{self}
	}
	nice := cfg.Nice
	if nice == NiceNone {
		nice = 0
	}
	env := []string{workerenv.Worker + "=1", endpoint.EnvBackend + "=" + backend}
	if cfg.MaxMessage > 0 {
		env = append(env, workerenv.MaxMessage+"="+strconv.FormatInt(cfg.MaxMessage, 10))
	}
	if cfg.Insecure {
		env = append(env, workerenv.Insecure+"=1")
	}
	// This library is silent unless it is given a Logger, and so are its workers.
	if os.Getenv(workerenv.LogLevel) == "" {
		env = append(env, workerenv.LogLevel+"=warn")
	}
	return supervise.Start(supervise.Config{
		Command: command, Env: append(env, cfg.Env...),
		N: cfg.Workers, Nice: nice, Logger: cfg.Logger,
	})
}

// embeddedPrefix is how the private directories of embedded masters are named:
// embedded-PID-RANDOM, in the runtime directory.
const embeddedPrefix = "embedded-"

// embeddedBackend returns where workers register, and what removes it.
func embeddedBackend(cfg Config) (endpoint.Endpoint, func(), error) {
	nothing := func() {}
	if cfg.Backend != "" {
		e, err := endpoint.ParseBind(cfg.Backend)
		if err == nil {
			err = endpoint.PrepareDir(e)
		}
		return e, nothing, err
	}
	runtimeDir, err := endpoint.RuntimeDir()
	if err != nil {
		return endpoint.Endpoint{}, nothing, err
	}
	if err := endpoint.EnsureDir(runtimeDir); err != nil {
		return endpoint.Endpoint{}, nothing, err
	}
	removeStale(runtimeDir)
	dir, err := os.MkdirTemp(runtimeDir, embeddedPrefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return endpoint.Endpoint{}, nothing, fmt.Errorf("make a private directory for the backend: %w", err)
	}
	cleanUp := func() { _ = os.RemoveAll(dir) }
	e, err := endpoint.ParseBind("ipc://" + filepath.Join(dir, "backend.sock"))
	if err != nil {
		cleanUp()
		return endpoint.Endpoint{}, nothing, err
	}
	return e, cleanUp, nil
}

// removeStale removes what embedded masters that were killed left behind.
func removeStale(runtimeDir string) {
	dirs, _ := filepath.Glob(filepath.Join(runtimeDir, embeddedPrefix+"*"))
	for _, dir := range dirs {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), embeddedPrefix), "-")
		n, err := strconv.Atoi(pid)
		if err == nil && n > 0 && errors.Is(syscall.Kill(n, 0), syscall.ESRCH) {
			_ = os.RemoveAll(dir)
		}
	}
}

// errorText names this package in an error of one that users never see.
func errorText(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("jobrunner: %w", err)
}
