// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/powerhose/powerhose/bench/internal/rig"
	"github.com/powerhose/powerhose/jobrunner"
)

// house are all processes of a run. Those with a name in the table live from the
// beginning to the end and are measured; the others are replaced all the time.
type house struct {
	options
	load     string // of the machine, before
	rig      *rig.Rig
	eyes     *jobrunner.Runner // what looks at the master's state
	measured []*rig.Process
	passing  []*rig.Process // killed, stopped, replaced
	cxx      []bool         // by passing
	series   []*series
	last     answer // of the runner
	faults   faultCounts
	foreign  float64 // processors that others used
	gaps     gapMeter
}

type faultCounts struct{ killed, drained, stopped int }

// live is the run.
func (h *house) live(ctx context.Context) (err error) {
	if h.rig, err = rig.New(); err != nil {
		return err
	}
	meter := rig.StartMeter()
	defer func() {
		err = errors.Join(err, h.stop(), h.rig.Close())
		h.foreign = meter.Foreign()
	}()
	if err := h.start(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, h.time)
	defer cancel()
	go h.gaps.watch(ctx)
	sampled := make(chan error, 1)
	go func() {
		err := h.sample(ctx)
		cancel()
		sampled <- err
	}()
	// Here, because only this goroutine may start processes.
	err = h.disturb(ctx)
	cancel()
	err = errors.Join(err, <-sampled)
	if err == nil {
		err = h.finish()
	}
	return err
}

// start starts everything, and returns when all workers have registered.
func (h *house) start(ctx context.Context) error {
	m, err := h.rig.Role("master")
	if err != nil {
		return err
	}
	h.measured = append(h.measured, m)
	kinds := []bool{false}
	if h.cworker != "" {
		kinds = append(kinds, true)
	}
	for _, cxx := range kinds {
		w, err := h.worker(cxx)
		if err != nil {
			return err
		}
		h.measured = append(h.measured, w)
		for range 2 {
			p, err := h.worker(cxx)
			if err != nil {
				return err
			}
			h.passing, h.cxx = append(h.passing, p), append(h.cxx, cxx)
		}
	}
	if h.eyes, err = jobrunner.Connect(jobrunner.Config{Masters: []string{h.rig.Frontend}}); err != nil {
		return err
	}
	if err := h.await(ctx, nil); err != nil {
		return err
	}
	self, err := h.rig.Role("runner", rateVariable+"="+strconv.Itoa(h.rate), leakVariable+"="+h.leak,
		seedVariable+"="+strconv.FormatUint(h.seed, 10))
	if err != nil {
		return err
	}
	h.measured = append(h.measured, self)
	return nil
}

func (h *house) worker(cxx bool) (*rig.Process, error) {
	if cxx {
		return h.rig.Start("worker in C++", nil, h.cworker, "--log-level", cmp.Or(os.Getenv("POWERHOSE_LOG_LEVEL"), "error"))
	}
	p, err := h.rig.Role("worker")
	if err == nil {
		p.Name = "worker in Go"
	}
	return p, err
}

// idle says that the master has nothing left to do.
func idle(s jobrunner.Status) bool { return s.Jobs.Waiting+s.Jobs.Running+s.Jobs.Abandoned == 0 }

// await returns when the master has all workers, and it is as it should be.
func (h *house) await(ctx context.Context, fine func(jobrunner.Status) bool) error {
	ctx, cancel := context.WithTimeout(ctx, rig.Patience)
	defer cancel()
	workers := len(h.passing) + len(h.passing)/2
	for {
		s, err := h.eyes.Status(ctx)
		if err == nil && len(s.Workers) == workers && (fine == nil || fine(s)) {
			return nil
		}
		if !pause(ctx, 20*time.Millisecond) {
			return fmt.Errorf("the master has %d workers instead of %d; %d jobs wait, %d run, %d are abandoned: %w",
				len(s.Workers), workers, s.Jobs.Waiting, s.Jobs.Running, s.Jobs.Abandoned, errors.Join(ctx.Err(), err))
		}
	}
}

// disturb does one thing after the other to workers until ctx ends.
func (h *house) disturb(ctx context.Context) error {
	random := rand.New(rand.NewPCG(h.seed, 0))
	for h.every > 0 && pause(ctx, time.Duration(random.ExpFloat64()*float64(h.every))) {
		i := random.IntN(len(h.passing))
		switch random.IntN(3) {
		case 0:
			h.faults.killed++
			if err := h.replace(ctx, i, syscall.SIGKILL); err != nil {
				return err
			}
		case 1:
			h.faults.drained++
			if err := h.replace(ctx, i, syscall.SIGTERM); err != nil {
				return err
			}
		default:
			h.faults.stopped++
			victim := h.passing[i]
			if random.IntN(2) == 0 { // one of those that are measured
				victim = h.measured[1+random.IntN(len(h.passing)/2)]
			}
			victim.Signal(syscall.SIGSTOP)
			pause(ctx, time.Duration(random.IntN(700))*time.Millisecond)
			victim.Signal(syscall.SIGCONT)
		}
	}
	<-ctx.Done()
	return nil
}

// replace ends a worker and starts another one.
func (h *house) replace(ctx context.Context, i int, with syscall.Signal) (err error) {
	p := h.passing[i]
	if err := p.Stop(with); err != nil {
		return err
	}
	if state := p.State(); with == syscall.SIGTERM && !state.Success() {
		return fmt.Errorf("%s: %v instead of draining", p.Name, state)
	}
	if h.passing[i], err = h.worker(h.cxx[i]); err != nil {
		return err
	}
	// A process that has only begun does not know yet what SIGTERM means.
	if err := h.await(ctx, nil); ctx.Err() == nil {
		return err
	}
	return nil
}

// finish ends the load, takes the last count and looks whether the master has
// nothing left.
func (h *house) finish() error {
	runner := h.measured[len(h.measured)-1]
	runner.Signal(syscall.SIGTERM)
	if err := runner.Expect("done"); err != nil {
		return err
	}
	if err := runner.Ask(&h.last); err != nil {
		return err
	}
	return h.await(context.Background(), idle)
}

// stop ends all processes. None of those that were measured may have ended by
// itself.
func (h *house) stop() error {
	var errs []error
	if h.eyes != nil {
		errs = append(errs, h.eyes.Close())
	}
	for i := len(h.measured) - 1; i > 0; i-- {
		errs = append(errs, quit(h.measured[i]))
	}
	for _, p := range h.passing {
		errs = append(errs, quit(p))
	}
	if len(h.measured) > 0 {
		errs = append(errs, quit(h.measured[0])) // the master
	}
	return errors.Join(errs...)
}

func quit(p *rig.Process) error {
	select {
	case <-p.Ended():
		return fmt.Errorf("%s ended by itself: %v", p.Name, p.State())
	default:
	}
	p.CloseInput()
	err := p.Stop(syscall.SIGTERM)
	if err == nil && !p.State().Success() {
		err = fmt.Errorf("%s: %v", p.Name, p.State())
	}
	return err
}
