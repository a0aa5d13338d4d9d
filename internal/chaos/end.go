// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/powerhose/powerhose/jobrunner"
)

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) }

// end lets everything recover, drain and go, and looks whether it does.
func (w *world) end(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	var own [masters]*jobrunner.Runner
	for i := range own {
		r, err := jobrunner.Connect(jobrunner.Config{Masters: []string{w.frontends[i]}})
		if err != nil {
			w.find("the driver cannot connect: %v", err)
			return
		}
		own[i] = r
		defer r.Close()
	}
	began := now()
	for i, r := range own {
		w.recovered(ctx, i, r)
	}
	w.say("everything was in order again %v after the last fault", (now() - began).Round(time.Millisecond))
	stopAll(w.runners[:])
	for i, r := range own {
		w.drained(ctx, i, r)
	}
	stopAll(w.workers[:])
	for _, r := range own {
		if err := r.Close(); err != nil {
			w.find("closing the driver's runner: %v", err)
		}
	}
	stopAll(w.masters[:])
	w.leftovers()
}

func stopAll(places []*place) {
	var all sync.WaitGroup
	for _, p := range places {
		all.Go(func() { p.stop(endLimit) })
	}
	all.Wait()
}

// await asks a master for its state until it is good.
func await(ctx context.Context, r *jobrunner.Runner, limit time.Duration, good func(jobrunner.Status) bool) (s jobrunner.Status, ok bool) {
	for end := now() + limit; now() < end && ctx.Err() == nil; {
		ask, cancel := context.WithTimeout(ctx, time.Second)
		state, err := r.Status(ask)
		cancel()
		if err == nil {
			if s = state; good(s) {
				return s, true
			}
		}
		sleep(ctx, 20*time.Millisecond)
	}
	return s, false
}

func describe(s jobrunner.Status) string {
	var names []string
	for _, x := range s.Workers {
		names = append(names, fmt.Sprintf("%d (%s, running %d)", x.PID, x.Language, x.Running))
	}
	return fmt.Sprintf("master %d: workers %s; waiting %d, running %d, abandoned %d, submitted %d, outcomes %v",
		s.PID, strings.Join(names, ", "), s.Jobs.Waiting, s.Jobs.Running, s.Jobs.Abandoned, s.Jobs.Submitted, s.Jobs.Outcomes)
}

// recovered wants all workers of a master back, and a job done by each service.
func (w *world) recovered(ctx context.Context, i int, r *jobrunner.Runner) {
	want := workers / masters
	s, ok := await(ctx, r, recoverLimit, func(s jobrunner.Status) bool { return len(s.Workers) == want })
	if !ok {
		if ctx.Err() == nil {
			w.find("%v after the last fault %s has %d workers, not %d: %s", recoverLimit, w.masters[i].name, len(s.Workers), want, describe(s))
		}
		return
	}
	for _, service := range []string{serviceAny, serviceGo, serviceCPP} {
		p := payload(fmt.Sprintf("driver.%d-%s", i, service), modeQuick, 0, 0)
		var err error
		for end := now() + recoverLimit; now() < end && ctx.Err() == nil; {
			var got []byte
			if got, err = r.Do(ctx, jobrunner.Job{Service: service, Payload: p, Retries: 255}); err == nil && string(got) != answer(p) {
				w.find("the driver's job got %q", got)
			}
			if !errors.Is(err, jobrunner.ErrBusy) { // the load goes on
				break
			}
			sleep(ctx, 10*time.Millisecond)
		}
		if err != nil && ctx.Err() == nil {
			w.find("after the last fault, with all workers back, %s cannot do a job of %s: %v", w.masters[i].name, service, err)
		}
	}
}

// drained wants nothing left at a master whose runners are gone.
func (w *world) drained(ctx context.Context, i int, r *jobrunner.Runner) {
	s, ok := await(ctx, r, recoverLimit, func(s jobrunner.Status) bool {
		busy := 0
		for _, x := range s.Workers {
			busy += x.Running
		}
		return s.Runners == 1 && s.Jobs.Waiting == 0 && s.Jobs.WaitingBytes == 0 && s.Jobs.Running == 0 && s.Jobs.Abandoned == 0 && busy == 0
	})
	if !ok && ctx.Err() == nil {
		w.find("%s does not drain; %d runners; %s", w.masters[i].name, s.Runners, describe(s))
	}
	sum := uint64(0)
	for _, n := range s.Jobs.Outcomes {
		sum += n
	}
	if ok && sum != s.Jobs.Submitted {
		w.find("%s had %d jobs but %d outcomes: %s", w.masters[i].name, s.Jobs.Submitted, sum, describe(s))
	}
}

// leftovers looks for processes and files that should be gone.
func (w *world) leftovers() {
	for _, pid := range marked(w.marker) {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		w.find("process %d is left: %q", pid, bytes.ReplaceAll(name, []byte{0}, []byte{' '}))
	}
	_ = filepath.WalkDir(w.runtime, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			w.find("what is left in the runtime directory cannot be read: %v", err)
			return nil
		}
		switch name := d.Name(); {
		case d.Type()&fs.ModeSocket != 0 && strings.HasPrefix(name, ownSocket) && w.killed(1, 3):
			w.ownLeft++ // nobody knows of it any more
		case d.Type()&fs.ModeSocket != 0:
			w.find("the socket file %s is left", path)
		case d.Type().IsRegular() && strings.HasPrefix(name, "ledger-"):
			w.find("the start ledger %s is left", path)
		}
		return nil
	})
}

// killed reports whether a process of these workers ended by SIGKILL, and so
// could not clean up.
func (w *world) killed(which ...int) bool {
	for _, i := range which {
		for _, e := range w.workers[i].ends {
			if e.signal == syscall.SIGKILL {
				return true
			}
		}
	}
	return false
}

// marked finds processes by what is in their environment.
func marked(marker string) (pids []int) {
	paths, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err == nil && bytes.Contains(text, []byte(marker)) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, pid)
		}
	}
	return pids
}
