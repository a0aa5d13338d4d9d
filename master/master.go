// SPDX-License-Identifier: Apache-2.0

package master

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/powerhose/powerhose/internal/dispatch"
	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/hub"
	"github.com/powerhose/powerhose/internal/ledger"
	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// Defaults of Config.
const (
	DefaultHeartbeat       = dispatch.DefaultHeartbeat
	DefaultLiveness        = dispatch.DefaultLiveness
	DefaultGrace           = dispatch.DefaultGrace
	DefaultMaxWaiting      = dispatch.DefaultMaxWaiting
	DefaultMaxWaitingBytes = dispatch.DefaultMaxWaitingBytes
	DefaultMaxMessage      = hub.DefaultMaxMessage
	DefaultMaxWorkers      = hub.DefaultMaxWorkers
	DefaultMaxRunners      = hub.DefaultMaxRunners
	DefaultDrainTimeout    = 30 * time.Second
)

// Config of a Master. The zero value of a field means its default.
type Config struct {
	// Frontend is the endpoint that runners connect to, Backend the one that
	// workers register at: ipc:///absolute/path or tcp://host:port. Default to
	// $POWERHOSE_FRONTEND and $POWERHOSE_BACKEND, else to sockets in a directory
	// of this user.
	Frontend, Backend string
	// Heartbeat is how often peers give signs of life, 1 ms to 1 min; Liveness
	// after how many silent ones a peer counts as dead, 2 to 100. Default to
	// DefaultHeartbeat, 1 s, and DefaultLiveness, 3.
	Heartbeat time.Duration
	Liveness  int
	// Grace is how long a worker may go on with a job after its deadline before
	// it counts as hung and is not used any more. Defaults to 1 s.
	Grace time.Duration
	// MaxWaiting and MaxWaitingBytes bound the jobs that wait for a worker.
	// Default to 16384 jobs and 256 MiB of payload.
	MaxWaiting      int
	MaxWaitingBytes int64
	// MaxMessage is the largest payload and the largest result in bytes, 64 KiB
	// to 1 GiB. Defaults to 32 MiB.
	MaxMessage int64
	// MaxWorkers and MaxRunners bound the peers. Default to 4096 and 4096.
	MaxWorkers, MaxRunners int
	// DrainTimeout is how long running jobs may take to finish after Run's
	// context was cancelled. Defaults to DefaultDrainTimeout.
	DrainTimeout time.Duration
	// Insecure allows tcp endpoints that other machines can reach: nothing on
	// them is encrypted or authenticated.
	Insecure bool
	// Logger receives what an operator should know, never a payload. Defaults
	// to none.
	Logger *slog.Logger
}

// Stats is the state of a master at one moment.
type Stats = protocol.MasterStatus

// InUseError is the error of New when another live master holds an endpoint. Get
// it with errors.As.
type InUseError struct {
	Endpoint string
	// PID is the other master's process, 0 if unknown.
	PID int

	err error
}

func (e *InUseError) Error() string { return "master: " + e.err.Error() }

// Unwrap returns the cause.
func (e *InUseError) Unwrap() error { return e.err }

// ErrRunning is returned by a second call of Run.
var ErrRunning = errors.New("master: Run was called before")

// Master is a stand-alone master. Use New, then Run once.
type Master struct {
	hub   *hub.Hub
	drain time.Duration
	ran   atomic.Bool
	ready chan struct{}
}

// New binds the endpoints and cleans up what a dead master left there. From then
// on peers can connect; they are served by Run. If Run is never called, the
// endpoints stay taken until the process ends.
func New(cfg Config) (*Master, error) {
	frontend, err := bindable(cfg.Frontend, endpoint.DefaultFrontend)
	if err != nil {
		return nil, fmt.Errorf("master: Config.Frontend: %w", err)
	}
	backend, err := bindable(cfg.Backend, endpoint.DefaultBackend)
	if err != nil {
		return nil, fmt.Errorf("master: Config.Backend: %w", err)
	}
	if frontend == backend && frontend.IsIPC() {
		return nil, fmt.Errorf("master: frontend and backend are the same endpoint %s: they must differ", frontend)
	}
	h, err := hub.New(hub.Config{
		Frontend: frontend, Backend: backend,
		MaxMessage: cfg.MaxMessage, MaxWorkers: cfg.MaxWorkers, MaxRunners: cfg.MaxRunners,
		Insecure: cfg.Insecure, Logger: cfg.Logger,
		Dispatch: dispatch.Config{
			Heartbeat: cfg.Heartbeat, Liveness: cfg.Liveness, Grace: cfg.Grace,
			MaxWaiting: cfg.MaxWaiting, MaxWaitingBytes: cfg.MaxWaitingBytes,
		},
	})
	var inUse *zmqnet.InUseError
	if errors.As(err, &inUse) {
		return nil, &InUseError{Endpoint: inUse.Endpoint, PID: inUse.PID, err: err}
	}
	if err != nil {
		return nil, fmt.Errorf("master: %w", err)
	}
	m := &Master{hub: h, drain: cfg.DrainTimeout, ready: make(chan struct{})}
	if m.drain <= 0 {
		m.drain = DefaultDrainTimeout
	}
	return m, nil
}

// bindable parses an endpoint to bind, and prepares its directory.
func bindable(s string, byDefault func() (string, error)) (endpoint.Endpoint, error) {
	var err error
	if s == "" {
		if s, err = byDefault(); err != nil {
			return endpoint.Endpoint{}, err
		}
	}
	e, err := endpoint.ParseBind(s)
	if err != nil {
		return e, err
	}
	if err := endpoint.PrepareDir(e); err != nil {
		return e, err
	}
	if e.IsIPC() {
		_, err = ledger.CleanStale(filepath.Dir(e.Path()))
	}
	return e, err
}

// Run serves until ctx is cancelled. Then it takes nothing new, gives what runs
// Config.DrainTimeout to finish, and returns nil. It returns an error if it
// cannot go on. It may be called once.
func (m *Master) Run(ctx context.Context) error {
	if m.ran.Swap(true) {
		return ErrRunning
	}
	if err := m.hub.Serve(ctx, m.drain, func() { close(m.ready) }); err != nil {
		return fmt.Errorf("master: %w", err)
	}
	return nil
}

// Ready is closed when Run serves.
func (m *Master) Ready() <-chan struct{} { return m.ready }

// Frontend is the endpoint that runners connect to, with the port that tcp chose.
func (m *Master) Frontend() string { return m.hub.Frontend() }

// Backend is the endpoint that workers register at, with the port that tcp chose.
func (m *Master) Backend() string { return m.hub.Backend() }

// Stats returns a snapshot while Run serves. It may be called from any
// goroutine.
func (m *Master) Stats(ctx context.Context) (Stats, error) {
	select {
	case <-m.ready:
	case <-ctx.Done():
		return Stats{}, ctx.Err()
	}
	s, err := m.hub.Status(ctx)
	if err != nil {
		return s, fmt.Errorf("master: %w", err)
	}
	return s, nil
}
