// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"sync/atomic"
)

// Worker registers at a master and does its jobs, once. Use New.
type Worker struct {
	cfg  Config
	used atomic.Bool
}

// New checks cfg, of which it keeps a copy, and names the field that is wrong.
// It connects to nothing.
func New(cfg Config) (*Worker, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if _, _, err := cfg.endpoints(); err != nil {
		return nil, err
	}
	return &Worker{cfg: cfg}, nil
}

// Run connects and works until ctx is cancelled. Then it drains: it takes
// nothing new, finishes and delivers what it was sent, at most for
// Config.DrainTimeout, leaves the master, and returns nil. Handlers see the
// values of ctx, but not its cancellation.
//
// It returns an error when it has to stop by itself: ErrMasterGone, ErrRefused,
// ErrWedged, ErrDrainTimeout, or one of the socket. With ErrDrainTimeout and
// ErrWedged, and with others if a handler ignores its context, handlers may
// still be running when it returns: end the process.
//
// A Worker runs once; later calls return ErrUsed.
func (w *Worker) Run(ctx context.Context) error {
	if w.used.Swap(true) {
		return ErrUsed
	}
	e, err := start(ctx, w.cfg)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		e.queue.Add(task{drain: true})
		<-e.ended
	case <-e.ended:
	}
	return e.shutdown()
}
