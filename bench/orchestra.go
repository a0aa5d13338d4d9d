// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// conductor runs one peer after the other, each in a process of its own.
type conductor struct {
	results *results
	log     io.Writer
	dir     string           // with the tools, and a folder for each run
	absent  map[failure]bool // those whose tools could not be had
	runs    int              // done
	total   int
	began   time.Time
}

// measureAll measures every peer that was asked for at every point of every
// case, in rounds: machines are noisy, and so each peer has its share of the
// noise.
func measureAll(ctx context.Context, o options, log io.Writer) (*results, error) {
	// What a process of ours leaves behind comes to us: see sweep.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become a subreaper: %w", err)
	}
	dir, err := os.MkdirTemp("", "phb") // short: paths of sockets have 107 octets
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	c := &conductor{log: log, dir: dir, absent: map[failure]bool{}, results: &results{
		options: o, rounds: map[place][]*measurement{}, skipped: map[failure]string{}, failed: map[failure]string{},
	}}
	if err := c.prepare(ctx); err != nil {
		return nil, err
	}
	c.began = time.Now()
	for round := range o.settings.rounds {
		for _, x := range o.experiments() {
			if err := c.play(ctx, x, round); err != nil {
				return nil, err
			}
		}
	}
	return c.results, nil
}

// prepare builds the tools and finds out which peers can take part.
func (c *conductor) prepare(ctx context.Context) error {
	o := c.results.options
	var wanted []*peer
	for _, p := range peers() {
		if o.wants(p) {
			wanted = append(wanted, p)
		}
	}
	var more []string
	for _, x := range o.experiments() {
		for _, id := range x.peers() {
			if p, err := peerByID(id); err == nil && o.wants(p) {
				more = append(more, x.needs[id]...)
			}
		}
	}
	fmt.Fprintln(c.log, "building the peers")
	built, err := makeTools(ctx, c.dir, wanted, more)
	if err != nil {
		return err
	}
	for _, p := range wanted {
		c.admit(p, "", p.needs, built)
		for _, x := range o.experiments() {
			c.admit(p, x.name, x.needs[p.id()], built)
		}
	}
	c.results.system = describe(ctx, c.dir)
	fmt.Fprintf(c.log, "%s, load average %s\n", c.results.system.machine, c.results.system.loadAverage)
	return c.each(func(*experiment, work, *peer) error { c.total += o.settings.rounds; return nil })
}

// admit finds out whether the peer can take part in a case, or in any, if the
// programs that it needs were built or not.
func (c *conductor) admit(p *peer, experiment string, needs []string, built map[string]error) {
	why, at := missing(needs, built), failure{p.id(), experiment}
	switch {
	case errors.Is(why, errAbsent):
		c.absent[at] = true
		c.results.skipped[at] = why.Error()
		fmt.Fprintf(c.log, "skipped %s: %v\n", at, why)
	case why != nil:
		c.absent[at] = true
		c.results.failed[at] = why.Error()
		fmt.Fprintf(c.log, "FAILED %s: %v\n", at, why)
	}
}

// each calls f for every peer that can take part at every point of every case.
func (c *conductor) each(f func(*experiment, work, *peer) error) error {
	for _, x := range c.results.options.experiments() {
		if err := c.eachOf(x, f); err != nil {
			return err
		}
	}
	return nil
}

func (c *conductor) eachOf(x *experiment, f func(*experiment, work, *peer) error) error {
	for _, w := range c.results.options.works(x) {
		for _, id := range x.peers() {
			p, err := peerByID(id)
			if err != nil {
				return err
			}
			if !c.results.options.wants(p) || c.absent[failure{id, ""}] || c.absent[failure{id, x.name}] {
				continue
			}
			if err := f(x, w, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// play is one round of a case. A peer that fails does not end it, an interrupt
// does.
func (c *conductor) play(ctx context.Context, x *experiment, round int) error {
	return c.eachOf(x, func(_ *experiment, w work, p *peer) error {
		r, err := c.quietly(ctx, p, w)
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		c.runs++
		at := w.place(p.id())
		c.results.rounds[at] = append(c.results.rounds[at], r)
		what := fmt.Sprintf("%3d/%d round %d %s callers %-4d %-22s", c.runs, c.total, round+1, w.name(), w.Callers, p.id())
		if err != nil {
			c.results.failed[failure{p.id(), w.Case}] = err.Error()
			fmt.Fprintf(c.log, "%s FAILED: %v\n", what, err)
			return nil
		}
		left := time.Since(c.began) / time.Duration(c.runs) * time.Duration(c.total-c.runs)
		fmt.Fprintf(c.log, "%s %8.0f jobs/s  p50 %7.1f µs  CPU %6.1f µs/job  %v left\n",
			what, r.rate(), r.P50, r.CPU, left.Round(time.Second))
		return nil
	})
}

// quietly repeats a run until nobody else was at work meanwhile. The last try
// counts in any case.
func (c *conductor) quietly(ctx context.Context, p *peer, w work) (r *measurement, err error) {
	s := c.results.options.settings
	for try := 1; ; try++ {
		r, err = c.run(ctx, p, w)
		if err != nil || try >= s.tries || r.Foreign <= s.noise {
			return r, err
		}
	}
}

// run measures one peer once, in a load process. Afterwards there is no process
// and no file left of it.
func (c *conductor) run(ctx context.Context, p *peer, w work) (r *measurement, err error) {
	dir, err := os.MkdirTemp(c.dir, "r")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	limit := time.Duration(w.WarmMS+w.LengthMS)*time.Millisecond + 2*patience
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	o := order{Peer: p.id(), Tools: c.dir, Dir: dir, Work: w}
	if folder := c.results.options.profile; folder != "" {
		name := strings.NewReplacer("/", "-", " ", "-").Replace(fmt.Sprintf("%s-%s-%d.pprof", w.name(), p.id(), w.Callers))
		o.Profile = filepath.Join(folder, name)
	}
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	var out, problems bytes.Buffer
	cmd := exec.CommandContext(ctx, self(), roleFlag, "load", string(text))
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir, "TMPDIR="+dir)
	cmd.Stdout, cmd.Stderr = &out, &problems
	// A group of its own: Ctrl-C is for us, and we kill it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	left := sweep()
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%s left processes behind: %v", p.id(), left)
	}
	if err == nil {
		r = &measurement{}
		err = json.Unmarshal(out.Bytes(), r)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(problems.String()))
	}
	return r, nil
}

// sweep kills what the processes of a run have left behind, which is nothing if
// all went well, and waits for its end. It returns their process ids.
func sweep() (left []int) {
	for {
		pids, err := relatives()
		if err != nil || len(pids) < 2 {
			break
		}
		for _, pid := range pids[1:] {
			left = append(left, pid)
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		for _, pid := range pids[1:] {
			_, _ = unix.Wait4(pid, nil, 0, nil)
		}
	}
	// Those that ended by themselves in the meantime.
	for {
		if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != nil || pid <= 0 {
			return left
		}
	}
}
