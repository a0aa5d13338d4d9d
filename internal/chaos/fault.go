// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	fewest = 16 // descriptors; a master needs about twice as many to serve anybody
	// afterKill is how long a place that was killed counts as in trouble.
	afterKill = time.Second
)

// play does what is in the schedule, and returns when all of it is over.
func (w *world) play(ctx context.Context, began time.Duration, faults []fault) {
	var all sync.WaitGroup
	defer all.Wait()
	for _, f := range faults {
		if !sleep(ctx, began+f.at-now()) {
			return
		}
		w.mu.Lock()
		w.done[f.kind]++
		w.mu.Unlock()
		all.Go(func() { w.do(ctx, f) })
	}
	sleep(ctx, began+w.cfg.Time-now())
}

// sleep reports false if there is no sense in going on.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func (w *world) do(ctx context.Context, f fault) {
	switch f.kind {
	case killWorker:
		kill(w.workers[f.target])
	case killRunner:
		kill(w.runners[f.target])
	case killMaster:
		kill(w.masters[f.target])
	case stopWorker:
		halt(ctx, f.last, w.workers[f.target])
	case stopRunner:
		halt(ctx, f.last, w.runners[f.target])
	case stopMaster:
		halt(ctx, f.last, w.masters[f.target])
	case stopEverything:
		halt(ctx, f.last, append(append([]*place(nil), w.masters[:]...), w.workers[:]...)...)
	case restartWorker:
		w.workers[f.target].signal(syscall.SIGTERM)
	case restartRunner:
		w.runners[f.target].signal(syscall.SIGTERM)
	case restartMaster:
		restart(w.masters[f.target])
	case rollingRestart:
		w.roll(ctx)
	case holeWorker:
		through(ctx, f, w.workerProxies[f.target], w.workers[f.target], link{up: true, down: true})
	case holeRunner:
		through(ctx, f, w.runnerProxies[f.target], w.runners[f.target], link{up: true, down: true})
	case halfWorker:
		through(ctx, f, w.workerProxies[f.target], w.workers[f.target], link{up: f.bit, down: !f.bit})
	case delayWorker:
		through(ctx, f, w.workerProxies[f.target], w.workers[f.target], link{delay: f.last / 20})
	case delayRunner:
		through(ctx, f, w.runnerProxies[f.target], w.runners[f.target], link{delay: f.last / 20})
	case resetWorker:
		reset(w.workerProxies[f.target], w.workers[f.target])
	case resetRunner:
		reset(w.runnerProxies[f.target], w.runners[f.target])
	case unplug:
		w.unplug(ctx, f)
	case fillDisk:
		w.fillDisk(ctx, f)
	case fewDescriptors:
		w.fewDescriptors(ctx, f)
	case noDescriptors:
		w.noDescriptors(ctx, f)
	}
}

func kill(p *place) {
	at := now()
	p.trouble(span{at, at + afterKill})
	p.signal(syscall.SIGKILL)
}

func restart(p *place) {
	at := now()
	p.trouble(span{at, at + afterKill})
	p.signal(syscall.SIGTERM)
}

// halt stops the processes for a time.
func halt(ctx context.Context, d time.Duration, places ...*place) {
	began := now()
	for _, p := range places {
		p.signal(syscall.SIGSTOP)
	}
	sleep(ctx, d)
	for _, p := range places {
		p.signal(syscall.SIGCONT)
		p.trouble(span{began, now()})
	}
}

// roll replaces each worker while the others work.
func (w *world) roll(ctx context.Context) {
	for _, p := range w.workers {
		old := p.signal(syscall.SIGTERM)
		for end := now() + 3*time.Second; now() < end && (p.pid() == 0 || p.pid() == old); {
			if !sleep(ctx, 20*time.Millisecond) {
				return
			}
		}
	}
}

// through changes the traffic of one process for a time. Afterwards what was
// held back arrives late, or the connections turn out to be gone.
func through(ctx context.Context, f fault, p *proxy, at *place, l link) {
	began := now()
	p.set(l)
	sleep(ctx, f.last)
	if f.bit && l.delay == 0 {
		p.reset()
	}
	p.set(link{})
	at.trouble(span{began, now() + l.delay})
}

func reset(p *proxy, at *place) {
	t := now()
	at.trouble(span{t, t + afterKill})
	p.reset()
}

// unplug pulls the cable. TCP tries again after pauses that grow with the time
// that it was out.
func (w *world) unplug(ctx context.Context, f fault) {
	if w.cable == nil {
		w.skip(f.kind)
		return
	}
	began := now()
	if err := w.cable.pull(); err != nil {
		w.find("the cable cannot be pulled: %v", err)
	}
	sleep(ctx, f.last)
	if err := w.cable.plug(); err != nil {
		w.find("the cable cannot be plugged in: %v", err)
	}
	for _, i := range []int{5, 7} {
		w.workers[i].trouble(span{began, now() + max(f.last, time.Second)})
	}
}

func (w *world) skip(k faultKind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done[k]--
	for reason := range w.skipped {
		if len(reason) > len(k.String()) && reason[:len(k.String())] == k.String() {
			w.skipped[reason]++
		}
	}
}

// fillDisk leaves no room in the runtime directory, while workers and a master
// start there.
func (w *world) fillDisk(ctx context.Context, f fault) {
	if !w.mounted {
		w.skip(f.kind)
		return
	}
	began := now()
	path := filepath.Join(w.runtime, "fill")
	if err := fill(path); err != nil {
		w.find("the disk cannot be filled: %v", err)
	}
	kill(w.workers[0])
	kill(w.workers[2])
	if f.bit {
		restart(w.masters[masterA])
	}
	sleep(ctx, f.last)
	_ = os.Remove(path)
	w.scarcity(began)
}

func fill(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	for _, size := range []int{64 << 10, 4 << 10, 1} { // to the last octet
		for err == nil {
			_, err = file.Write(make([]byte, size))
		}
		if !isFull(err) {
			return err
		}
		err = nil
	}
	return nil
}

// scarcity notes that master a lacked something until now.
func (w *world) scarcity(since time.Duration) {
	s := span{since, now() + afterKill}
	w.masters[masterA].trouble(s)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scarce = append(w.scarce, s)
}

// fewDescriptors restarts master a with less than it needs for its peers; the
// more the longer.
func (w *world) fewDescriptors(ctx context.Context, f fault) {
	began := now()
	w.setLimit(fewest + int(f.last.Milliseconds())%24)
	kill(w.masters[masterA])
	sleep(ctx, f.last)
	w.setLimit(0)
	w.scarcity(began)
	kill(w.masters[masterA])
}

func (w *world) setLimit(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limit = n
}

// noDescriptors lets a running master open nothing more, and has peers come to
// it anew.
func (w *world) noDescriptors(ctx context.Context, f fault) {
	p := w.masters[f.target]
	pid := p.pid()
	if pid == 0 {
		return
	}
	began := now()
	var old unix.Rlimit
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err == nil {
		err = unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &old)
	}
	if err == nil {
		err = unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(len(entries)), Max: old.Max}, nil)
	}
	if err != nil {
		return // it has just ended
	}
	kill(w.workers[4*f.target])
	kill(w.workers[4*f.target+3])
	kill(w.runners[3*f.target])
	sleep(ctx, f.last)
	_ = unix.Prlimit(pid, unix.RLIMIT_NOFILE, &old, nil)
	p.trouble(span{began, now() + afterKill})
}
