// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/powerhose/powerhose/jobrunner"
)

// hose is a target of ours.
type hose struct{ runner *jobrunner.Runner }

func (h *hose) call(ctx context.Context, service string, payload []byte) ([]byte, error) {
	return h.runner.ExecuteBytes(ctx, service, payload)
}

func (h *hose) close() error { return h.runner.Close() }

// awaitWorkers returns when all workers have registered.
func (h *hose) awaitWorkers(ctx context.Context, n int) error {
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for {
		status, err := h.runner.Status(ctx)
		if err == nil && len(status.Workers) == n {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d workers registered: %w", len(status.Workers), n, errors.Join(ctx.Err(), err))
		}
	}
}

// embedded is a master inside the process that submits the jobs, as
// jobrunner.Start starts it with nothing set but the number of workers.
func embedded(worker string) *peer {
	p := &peer{
		name: "powerhose-embedded", worker: worker, client: "go", ours: true,
		about: "jobrunner.Start: the master inside the caller's process, workers in " + languages[worker],
	}
	if worker == "cxx" {
		p.needs = []string{"cxx-worker"}
	}
	p.start = func(ctx context.Context, s *site) (target, error) {
		cfg := jobrunner.Config{Workers: s.work.Workers}
		if worker == "cxx" {
			cfg.Command = []string{filepath.Join(s.tools, "cxx-worker")}
		}
		return s.up(ctx, func() (*jobrunner.Runner, error) { return jobrunner.Start(cfg) })
	}
	return p
}

// standAlone is a master that is a process of its own, with workers that
// somebody else started.
func standAlone(worker string) *peer {
	p := &peer{
		name: "powerhose-master", worker: worker, client: "go", ours: true, needs: []string{"powerhose-master"},
		about: "jobrunner.Connect: powerhose-master between the caller's process and workers in " + languages[worker],
	}
	if worker == "cxx" {
		p.needs = append(p.needs, "cxx-worker")
	}
	p.start = func(ctx context.Context, s *site) (target, error) {
		frontend := "ipc://" + filepath.Join(s.dir, "frontend.sock")
		backend := "ipc://" + filepath.Join(s.dir, "backend.sock")
		master := filepath.Join(s.tools, "powerhose-master")
		if _, err := s.children.start(ctx, nil, master, "--frontend", frontend, "--backend", backend, "--log-level", "warn"); err != nil {
			return nil, err
		}
		if err := s.startWorkers(ctx, worker, backend); err != nil {
			return nil, err
		}
		return s.up(ctx, func() (*jobrunner.Runner, error) {
			return jobrunner.Connect(jobrunner.Config{Masters: []string{frontend}})
		})
	}
	return p
}

// startWorkers starts workers as a supervisor would.
func (s *site) startWorkers(ctx context.Context, worker, backend string) error {
	program := filepath.Join(s.tools, "cxx-worker")
	if worker == "go" {
		program = self()
	}
	env := []string{"POWERHOSE_WORKER=1", "POWERHOSE_LOG_LEVEL=warn", "POWERHOSE_BACKEND=" + backend}
	for range s.work.Workers {
		if _, err := s.children.start(ctx, env, program); err != nil {
			return err
		}
	}
	return nil
}

// up makes a target of a runner once all workers are there.
func (s *site) up(ctx context.Context, start func() (*jobrunner.Runner, error)) (target, error) {
	runner, err := start()
	if err != nil {
		return nil, err
	}
	h := &hose{runner}
	if err := h.awaitWorkers(ctx, s.work.Workers); err != nil {
		return nil, errors.Join(err, h.close())
	}
	return h, nil
}

// languages by what rows call them.
var languages = map[string]string{"go": "Go", "cxx": "C++"}
