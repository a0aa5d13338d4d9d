// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/workerenv"
)

// Defaults of Config.
const (
	DefaultTimeout  = 2 * time.Second
	DefaultParallel = 6

	DefaultEcho  = "echo"
	DefaultSleep = "sleep"
	DefaultBurn  = "burn"
	DefaultFail  = "fail"
	DefaultFill  = "fill"
)

// ListenPlaceholder in Config.ListenArgs stands for the endpoint to listen at.
const ListenPlaceholder = "{endpoint}"

// Config of a run. Only Command is required; a zero field means its default.
type Config struct {
	// Command is the program under test and its arguments. It finds the endpoint
	// to register at in POWERHOSE_BACKEND, and POWERHOSE_WORKER is 1. Required.
	Command []string
	// Env is added to this process's environment, as "NAME=value".
	Env []string

	// Services of the program. Checks that need one that it does not offer are
	// not applicable.
	Services Services

	// ListenArgs are added to Command where the worker is to listen on a socket
	// of its own; ListenPlaceholder in them is replaced by the endpoint. With or
	// without them POWERHOSE_LISTEN has it.
	ListenArgs []string

	// Only these rules are reported, and checks of others left out; but a worker
	// that does not even register is. Defaults to all.
	Only []Rule

	// Listen has every check made of a worker with a socket of its own, and not
	// only those that are about one. Defaults to false.
	Listen bool

	// Timeout is how long the worker may take for what it must do at once; it
	// may take five times that, and at least ten seconds, to start. Defaults to
	// DefaultTimeout.
	Timeout time.Duration

	// Parallel is how many programs are tested at once. Defaults to
	// DefaultParallel.
	Parallel int

	// Progress is called with each finding, from one goroutine at a time. of is
	// how many findings there will be, done how many there are. Defaults to
	// nothing.
	Progress func(done, of int, f Finding)

	// quick leaves out the costly checks, but for those of these rules; for tests of
	// the kit. Nil leaves out none.
	quick []Rule
}

// Services are the names of the services that the kit gives jobs to.
type Services struct {
	Echo  string // answers with the job. Defaults to DefaultEcho.
	Sleep string // a number of milliseconds: answers after that time. Defaults to DefaultSleep.
	Burn  string // the same, but computes meanwhile. Defaults to DefaultBurn.
	Fail  string // fails. Defaults to DefaultFail; without it Sleep is given something that is no number.
	Fill  string // a number of octets: answers with so many. Defaults to DefaultFill.
}

func (c Config) withDefaults() Config {
	for _, f := range []struct {
		name      *string
		byDefault string
	}{
		{&c.Services.Echo, DefaultEcho},
		{&c.Services.Sleep, DefaultSleep},
		{&c.Services.Burn, DefaultBurn},
		{&c.Services.Fail, DefaultFail},
		{&c.Services.Fill, DefaultFill},
	} {
		if *f.name == "" {
			*f.name = f.byDefault
		}
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Parallel == 0 {
		c.Parallel = DefaultParallel
	}
	return c
}

func (c Config) validate() error {
	switch {
	case len(c.Command) == 0 || c.Command[0] == "":
		return errors.New("conform: Config.Command is empty: name the program to test")
	case c.Timeout < 0:
		return fmt.Errorf("conform: Config.Timeout is %v: it must be more than 0", c.Timeout)
	case c.Parallel < 0:
		return fmt.Errorf("conform: Config.Parallel is %d: the least is 1", c.Parallel)
	}
	return nil
}

// ErrCommand is matched by the error of Run for a command that cannot be
// started.
var ErrCommand = errors.New("conform: cannot run the command")

// Run tests a program and reports what was found. It returns an error, and what
// was found until then, if it could not go on: wrong Config, ErrCommand,
// trouble with sockets or files of its own, or the cause of ctx.
func Run(ctx context.Context, cfg Config) (Report, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return Report{}, err
	}
	path, err := exec.LookPath(cfg.Command[0])
	if err != nil {
		return Report{}, fmt.Errorf("%w: %s", ErrCommand, err.Error())
	}
	dir, err := os.MkdirTemp("", "ph") // short: it is part of the path of a socket
	if err != nil {
		return Report{}, fmt.Errorf("conform: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	k := &kit{cfg: cfg, path: path, dir: dir, ctx: ctx, fail: cancel, groups: cfg.groups()}
	k.run()
	report := Report{Worker: k.traits.reg, Findings: k.findings}
	sortFindings(report.Findings)
	return report, context.Cause(ctx)
}

// kit is one run.
type kit struct {
	cfg    Config
	path   string // of the program
	dir    string // for sockets and outputs
	ctx    context.Context
	fail   context.CancelCauseFunc // ends the run for a reason of its own
	groups []group
	traits traits // set by the first group, then only read

	mu       sync.Mutex // guards everything below
	findings []Finding
	always   [watches]watched
	starts   []start
	rigs     int
}

// start is one start of the program.
type start struct {
	pid      int
	identity string
}

func (k *kit) run() {
	k.runGroup(learning(&k.traits))
	if k.ctx.Err() == nil && !k.traits.registered {
		k.giveUp()
		return
	}
	tickets := make(chan struct{}, k.cfg.Parallel)
	var running sync.WaitGroup
	for i := range k.groups {
		tickets <- struct{}{}
		running.Go(func() { // joined below
			k.runGroup(k.groups[i])
			<-tickets
		})
	}
	running.Wait()
	if k.ctx.Err() == nil {
		k.reportStarts()
		k.reportAlways()
	}
}

// giveUp: nothing can be tried with a program that does not register.
func (k *kit) giveUp() {
	for _, g := range k.groups {
		for _, c := range g.checks {
			k.report(Finding{c.rule, c.name, NotApplicable, "not reached: it did not register"})
		}
	}
	k.reportStarts()
	k.reportAlways()
}

func (k *kit) runGroup(g group) {
	selected := slices.ContainsFunc(g.checks, func(c check) bool { return k.wants(c.rule) })
	if k.ctx.Err() != nil || !selected && !g.must && !k.wantsTraffic() {
		return
	}
	r, err := k.newRig(g)
	if err != nil {
		k.fail(err)
		return
	}
	defer r.close()
	for _, c := range g.checks {
		if k.ctx.Err() != nil {
			return
		}
		if !k.wants(c.rule) && !g.must && !k.wantsTraffic() {
			continue
		}
		f := r.check(c)
		switch {
		case k.ctx.Err() != nil:
		case c.once && f.Verdict == Broken:
			k.add(f) // whoever asks for something else must know
		default:
			k.report(f)
		}
	}
}

// wants tells whether a rule is to be reported.
func (k *kit) wants(r Rule) bool { return len(k.cfg.Only) == 0 || slices.Contains(k.cfg.Only, r) }

// wantsTraffic tells whether a rule is to be reported that is watched in all
// there is: then all checks are made, for what the worker says in them.
func (k *kit) wantsTraffic() bool {
	return slices.ContainsFunc(k.cfg.Only, func(r Rule) bool {
		return r == ruleIdentity || slices.ContainsFunc(watchList[:], func(w watch) bool { return w.rule == r })
	})
}

func (k *kit) report(f Finding) {
	if k.wants(f.Rule) {
		k.add(f)
	}
}

func (k *kit) add(f Finding) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.findings = append(k.findings, f)
	if k.cfg.Progress != nil {
		k.cfg.Progress(len(k.findings), k.expected(), f)
	}
}

// expected is how many findings there will be.
func (k *kit) expected() (n int) {
	count := func(r Rule) {
		if k.wants(r) {
			n++
		}
	}
	for _, g := range append(k.groups, learning(&traits{})) {
		for _, c := range g.checks {
			count(c.rule)
		}
	}
	for _, w := range watchList {
		count(w.rule)
	}
	count(ruleIdentity)
	return n
}

// newRig makes the place for a group. Its master listens at once.
func (k *kit) newRig(g group) (*rig, error) {
	k.mu.Lock()
	k.rigs++
	name := "c" + strconv.Itoa(k.rigs)
	k.mu.Unlock()
	at, err := endpoint.ParseBind("ipc://" + filepath.Join(k.dir, name+".sock"))
	if err != nil {
		return nil, err
	}
	return openRig(k, g, at)
}

// environment of the program.
func (k *kit) environment(backend, listen string) []string {
	env := append(os.Environ(), k.cfg.Env...)
	env = slices.DeleteFunc(env, func(s string) bool {
		name, _, _ := strings.Cut(s, "=")
		return name == endpoint.EnvBackend || name == workerenv.Listen || name == workerenv.LifelineFD || name == workerenv.Worker
	})
	env = append(env, endpoint.EnvBackend+"="+backend, workerenv.Worker+"=1")
	if listen != "" {
		env = append(env, workerenv.Listen+"="+listen)
	}
	return env
}

// command is the program with its arguments.
func (k *kit) command(listen string) []string {
	args := slices.Clone(k.cfg.Command)
	if listen != "" {
		for _, a := range k.cfg.ListenArgs {
			args = append(args, strings.ReplaceAll(a, ListenPlaceholder, listen))
		}
	}
	return args
}

const ruleIdentity Rule = 29

// reportStarts looks at the identities of all processes.
func (k *kit) reportStarts() {
	f := Finding{ruleIdentity, "each start of the process has a fresh identity", NotApplicable, "it registered from one process only"}
	if len(k.starts) > 1 {
		f.Verdict, f.Evidence = Holds, fmt.Sprintf("%d starts, as many identities", len(k.starts))
	}
	seen := map[string]int{}
	for _, s := range k.starts {
		if other, ok := seen[s.identity]; ok {
			f.Verdict, f.Evidence = Broken, fmt.Sprintf("expected another one for each process, got %q from process %d and from process %d", s.identity, other, s.pid)
		}
		seen[s.identity] = s.pid
	}
	k.report(f)
}
