// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"slices"
	"syscall"
	"time"

	"github.com/powerhose/powerhose/worker"
)

// roleFlag, as the first argument, makes this program something else than the
// benchmark: a process that takes part in it.
const roleFlag = "-role"

// roles by name. They return when ctx is cancelled, which SIGTERM does.
var roles = map[string]func(ctx context.Context, args []string) error{
	"load":         load,
	"nats-server":  natsServer,
	"nats-worker":  natsWorker,
	"grpc-worker":  grpcWorker,
	"web":          webApp,
	"many-workers": manyWorkers,
}

// playRole serves in a process that takes part in the benchmark, and never
// returns there. It is the first thing in main.
func playRole() {
	worker.Main(services())
	if len(os.Args) < 3 || os.Args[1] != roleFlag {
		return
	}
	// Children are killed when the thread that started them ends. The main
	// thread ends last.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	err := fmt.Errorf("there is no role %q", os.Args[2])
	if play := roles[os.Args[2]]; play != nil {
		err = play(ctx, os.Args[3:])
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// order is what a load process is told.
type order struct {
	Peer  string `json:"peer"`
	Tools string `json:"tools"`
	Dir   string `json:"dir"`
	Work  work   `json:"work"`
	// Profile is the file for a profile of the processor time; empty: none.
	Profile string `json:"profile"`
}

// load is the process that submits the jobs. It starts one peer, measures once,
// stops the peer, and prints the measurement.
func load(ctx context.Context, args []string) error {
	var o order
	if err := json.Unmarshal([]byte(args[0]), &o); err != nil {
		return err
	}
	p, err := peerByID(o.Peer)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(o.Work.WarmMS+o.Work.LengthMS)*time.Millisecond+patience)
	defer cancel()
	s := &site{work: o.Work, tools: o.Tools, dir: o.Dir}
	stopProfile, err := startProfile(o.Profile)
	if err != nil {
		return err
	}
	measure := p.measure
	if x := experimentByName(o.Work.Case); x != nil && x.measure != nil {
		measure = func(ctx context.Context, s *site) (measurement, error) { return x.play(ctx, s, p) }
	}
	r, err := measure(ctx, s)
	stopProfile()
	// With the processes of the peer gone, those left over are nobody's.
	if pids, lerr := relatives(); err == nil && (lerr != nil || len(pids) > 1) {
		err = errors.Join(lerr, fmt.Errorf("processes were left behind: %v", pids[1:]))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.id(), err)
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// startProfile begins a profile; the function that it returns ends it.
func startProfile(path string) (stop func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return func() { pprof.StopCPUProfile(); f.Close() }, pprof.StartCPUProfile(f)
}

// patience is how long a peer may take to start and to stop.
const patience = 20 * time.Second

func (p *peer) measure(ctx context.Context, s *site) (r measurement, err error) {
	defer func() { err = errors.Join(err, s.children.stop()) }()
	if p.drive != nil {
		return p.drive(ctx, s)
	}
	t, err := p.start(ctx, s)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if err := hello(ctx, t, s.work); err != nil {
		return r, err
	}
	return closedLoop(ctx, t, s.work)
}

// play measures as the case wants it.
func (x *experiment) play(ctx context.Context, s *site, p *peer) (r measurement, err error) {
	defer func() { err = errors.Join(err, s.children.stop()) }()
	return x.measure(ctx, s, p)
}

// hello has one job done before the callers come.
func hello(ctx context.Context, t target, w work) error {
	_, err := t.call(ctx, w.Service, w.payload())
	if err != nil {
		return fmt.Errorf("the first job: %w", err)
	}
	return nil
}

// serve tells who started this role that it is ready, with that text, and waits
// for the end.
func serve(ctx context.Context, ready string) {
	fmt.Println(ready)
	<-ctx.Done()
}

// missing returns why the first of these programs that could not be had is
// missing.
func missing(needs []string, built map[string]error) error {
	i := slices.IndexFunc(needs, func(name string) bool { return built[name] != nil })
	if i < 0 {
		return nil
	}
	return built[needs[i]]
}
