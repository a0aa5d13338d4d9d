// SPDX-License-Identifier: Apache-2.0

package jobrunner

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/powerhose/powerhose/internal/call"
	"github.com/powerhose/powerhose/internal/client"
	"github.com/powerhose/powerhose/protocol"
)

// Runner is a JobRunner: it sends jobs to workers. Make one for the whole
// process, with Start or Connect. All methods may be called from any number of
// goroutines.
type Runner struct {
	cfg     Config
	d       call.Dispatcher
	calls   sync.Pool
	closed  atomic.Bool
	close   func() error
	backend string // of an embedded master

	closing  sync.Once
	closeErr error
}

// Status is the state of a master, and what it says of each worker and service.
type (
	Status        = protocol.MasterStatus
	WorkerStatus  = protocol.WorkerStatus
	ServiceStatus = protocol.ServiceStatus
)

// Job is a job in full. Only Service and Payload matter in the plain case.
type Job struct {
	// Service is the name of the kind of job, at most 64 characters of
	// printable ASCII without spaces; empty for the default service.
	Service string
	// Payload is handed to the worker untouched. It must not be changed until
	// the call returns.
	Payload []byte
	// Headers travel beside the payload, as trace context does; at most 4 KiB
	// in all.
	Headers map[string]string
	// Timeout bounds this job beside its context. Defaults to Config.Timeout.
	Timeout time.Duration
	// Wait is how long the job may wait for a worker to start it. 0 means until
	// its deadline; NoWait refuses it at once if it cannot start now.
	Wait time.Duration
	// Idempotent says that running the job more than once is as good as once: if
	// its worker is lost, another runs it. The same as Retries: 1.
	Idempotent bool
	// Retries is how many more workers may run the job after one was lost that
	// may have started it, 0 to 255. A master does not give a job that two
	// workers died of to a third, whatever it says here. Each master counts for
	// itself: when the master is lost, the Runner sends the job to the next one
	// with one retry less. So if r masters are lost one after the other, each
	// after a worker that had the job, it starts 2r + 1 times in all, r being
	// Retries: 3 times for Idempotent. With 0 it never starts twice.
	Retries int
}

// Connect returns a Runner that uses masters elsewhere. It does not wait for
// one to be there: see WaitReady.
func Connect(cfg Config) (*Runner, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	c, err := client.Dial(client.Config{
		Masters: cfg.Masters, MaxMessage: cfg.MaxMessage, Insecure: cfg.Insecure, Logger: cfg.Logger,
	})
	if err != nil {
		return nil, errorText(err)
	}
	return newRunner(cfg, c, c.Close), nil
}

func newRunner(cfg Config, d call.Dispatcher, end func() error) *Runner {
	return &Runner{
		cfg: cfg, d: d, close: end,
		calls: sync.Pool{New: func() any { return call.New() }},
	}
}

// Execute has a worker of that service do a job, and returns its result. It
// waits until the context's deadline, at most Config.Timeout. Every error is an
// *Error.
func (r *Runner) Execute(ctx context.Context, service, payload string) (string, error) {
	// The string is only ever read.
	bytes := unsafe.Slice(unsafe.StringData(payload), len(payload))
	c := r.call(ctx, service, bytes, r.cfg.Timeout)
	err := r.run(ctx, c)
	if err != nil {
		return "", err
	}
	result := string(c.Result)
	r.put(c)
	return result, nil
}

// ExecuteBytes is Execute for bytes. The payload must not be changed until it
// returns; the result is the caller's.
func (r *Runner) ExecuteBytes(ctx context.Context, service string, payload []byte) ([]byte, error) {
	c := r.call(ctx, service, payload, r.cfg.Timeout)
	if err := r.run(ctx, c); err != nil {
		return nil, err
	}
	result := own(c.Result)
	r.put(c)
	return result, nil
}

// Do executes a job in full. The result is the caller's.
func (r *Runner) Do(ctx context.Context, job Job) ([]byte, error) {
	timeout := job.Timeout
	if timeout <= 0 {
		timeout = r.cfg.Timeout
	}
	c := r.call(ctx, job.Service, job.Payload, timeout)
	var err error
	for name, value := range job.Headers {
		if c.Headers, err = protocol.AppendHeader(c.Headers, name, []byte(value)); err != nil {
			kind := ErrRefused
			if errors.Is(err, protocol.ErrTooLarge) {
				kind = ErrTooLarge
			}
			r.put(c)
			return nil, &Error{Service: job.Service, Text: err.Error(), kind: kind}
		}
	}
	switch {
	case job.Wait < 0:
		c.Wait = 0
	case job.Wait > 0:
		c.Wait = job.Wait
	}
	c.Retries = uint8(min(max(job.Retries, 0), 255))
	if job.Idempotent && c.Retries == 0 {
		c.Retries = 1
	}
	if err := r.run(ctx, c); err != nil {
		return nil, err
	}
	result := own(c.Result)
	r.put(c)
	return result, nil
}

// call makes the call of a job.
func (r *Runner) call(ctx context.Context, service string, payload []byte, timeout time.Duration) *call.Call {
	c := r.calls.Get().(*call.Call)
	c.Service, c.Payload, c.Wait = service, payload, protocol.WaitForever
	c.Deadline = time.Now().Add(timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(c.Deadline) {
		c.Deadline = d
	}
	return c
}

func (r *Runner) put(c *call.Call) {
	c.Reset()
	r.calls.Put(c)
}

// run waits for the answer. On an error it has put the call back.
func (r *Runner) run(ctx context.Context, c *call.Call) error {
	switch {
	case r.closed.Load():
		c.Outcome = protocol.OutcomeClosed
	case ctx.Err() != nil:
		c.Outcome = protocol.OutcomeCancelled
	default:
		r.d.Submit(c)
		r.d.Lead(ctx, c)
		if ctx.Done() == nil {
			<-c.Done // a select with one case costs more
			break
		}
		select {
		case <-c.Done:
		case <-ctx.Done():
			// The answer says whether the job may have run; it comes at once.
			r.d.Cancel(c)
			<-c.Done
		}
	}
	err := errorOf(c, ctx.Err())
	if err != nil {
		r.put(c)
	}
	return err
}

// own makes a result the caller's: it may be a small part of a message that
// holds the results of others too.
func own(result []byte) []byte {
	if n := len(result); cap(result) > 2*n+64 {
		return bytes.Clone(result)
	}
	return result[:len(result):len(result)]
}

// Status asks the master for its state.
func (r *Runner) Status(ctx context.Context) (Status, error) {
	timeout := r.cfg.Timeout
	if d, ok := ctx.Deadline(); ok {
		timeout = time.Until(d)
	}
	s, err := r.d.Status(timeout)
	if err != nil {
		return s, &Error{Text: err.Error(), kind: ErrMasterLost}
	}
	return s, nil
}

// readyInterval is how often WaitReady looks.
const readyInterval = 2 * time.Millisecond

// WaitReady returns when a master is there that has at least one worker, or
// with the context's error. Execute needs no such wait: its job waits itself.
func (r *Runner) WaitReady(ctx context.Context) error {
	look := time.NewTicker(readyInterval)
	defer look.Stop()
	for {
		if s, err := r.Status(ctx); err == nil && len(s.Workers) > 0 {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Backend is where workers register with an embedded master; empty after
// Connect.
func (r *Runner) Backend() string { return r.backend }

// Close ends every call that waits, with ErrClosed, and lets the workers that
// Start started finish and go. It is safe to call more than once.
func (r *Runner) Close() error {
	r.closing.Do(func() {
		r.closed.Store(true)
		r.closeErr = errorText(r.close())
	})
	return r.closeErr
}
