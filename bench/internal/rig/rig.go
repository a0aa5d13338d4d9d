// SPDX-License-Identifier: Apache-2.0

// Package rig is what the programs share that try a master with its workers as
// processes of their own: bench/overload and bench/soak. Linux only.
package rig

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"syscall"
	"time"

	"github.com/powerhose/powerhose/internal/services"
	"github.com/powerhose/powerhose/master"
	"github.com/powerhose/powerhose/worker"
)

// roleVariable names the role that a process plays which is this program again.
const roleVariable = "RIG_ROLE"

// Patience is how long anything may take to start or to stop.
const Patience = 20 * time.Second

// Gauges are what a process in Go tells of itself when it is asked.
type Gauges struct {
	Goroutines int64 `json:"goroutines"`
	Heap       int64 `json:"heap"` // octets that live after a collection
}

// OwnGauges collects garbage, and counts.
func OwnGauges() Gauges {
	runtime.GC()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return Gauges{Goroutines: int64(runtime.NumGoroutine()), Heap: int64(live[0].Value.Uint64())}
}

// Roles are what a program adds to master and worker.
type Roles map[string]func(context.Context) error

// Main plays the role of a process that a Rig has started, and never returns
// there. It is the first thing in main. The main goroutine stays on the main
// thread: a Rig's processes are killed when the thread that started them ends.
func Main(more Roles) {
	runtime.LockOSThread()
	role := os.Getenv(roleVariable)
	if role == "" {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	play := Roles{"master": playMaster, "worker": playWorker}[role]
	if play == nil {
		play = more[role]
	}
	err := errors.New("there is no such role")
	if play != nil {
		err = play(ctx)
	}
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", role, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Answer answers each line of standard input with what the function returns.
func Answer(what func() any) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := json.NewEncoder(os.Stdout).Encode(what()); err != nil {
			return
		}
	}
}

// Logger logs what should not be, to standard error.
func Logger() *slog.Logger {
	level := slog.LevelError
	if text := os.Getenv("POWERHOSE_LOG_LEVEL"); text != "" {
		_ = level.UnmarshalText([]byte(text)) // or it stays as it is
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

func playMaster(ctx context.Context) error {
	go Answer(func() any { return OwnGauges() })
	// On a machine that is busy with other things nobody shall be called dead.
	m, err := master.New(master.Config{Liveness: 10, Logger: Logger()})
	if err != nil {
		return err
	}
	return m.Run(ctx)
}

// playWorker serves the services of powerhose-worker.
func playWorker(ctx context.Context) error {
	offered, err := Services()
	if err != nil {
		return err
	}
	w, err := worker.New(worker.Config{Services: offered, Logger: Logger()})
	if err != nil {
		return err
	}
	runtime.GOMAXPROCS(1) // as worker.Main does
	go Answer(func() any { return OwnGauges() })
	return w.Run(ctx)
}

// Services are the ones that powerhose-worker brings along.
func Services() (worker.Services, error) {
	funcs, err := services.Lookup(services.Names())
	if err != nil {
		return nil, err
	}
	offered := worker.Services{}
	for name, f := range funcs {
		offered[name] = func(ctx context.Context, job *worker.Job) ([]byte, error) { return f(ctx, job.Payload) }
	}
	return offered, nil
}

// Rig is a folder with the sockets of a master.
type Rig struct {
	dir               string
	Frontend, Backend string
}

// New makes a Rig. Close removes it.
func New() (*Rig, error) {
	dir, err := os.MkdirTemp("", "rig") // short: paths of sockets have 107 octets
	if err != nil {
		return nil, err
	}
	return &Rig{
		dir:      dir,
		Frontend: "ipc://" + filepath.Join(dir, "frontend.sock"), Backend: "ipc://" + filepath.Join(dir, "backend.sock"),
	}, nil
}

// Close removes the folder.
func (r *Rig) Close() error { return os.RemoveAll(r.dir) }

// Process is one of a Rig's.
type Process struct {
	Name  string
	cmd   *exec.Cmd
	in    io.WriteCloser
	pipe  io.Closer // what out reads
	out   *bufio.Reader
	ended chan struct{}
	state *os.ProcessState // after ended
}

// Role starts this program again, as a master, a worker, or what the program
// adds to Main. It may be called by the main goroutine only, as Start.
func (r *Rig) Role(role string, env ...string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return r.Start(role, append(env, roleVariable+"="+role), self)
}

// Start starts a program on the Rig's endpoints.
func (r *Rig) Start(name string, env []string, program string, args ...string) (*Process, error) {
	p := &Process{Name: name, cmd: exec.Command(program, args...), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), "POWERHOSE_FRONTEND="+r.Frontend, "POWERHOSE_BACKEND="+r.Backend,
		"XDG_RUNTIME_DIR="+r.dir)
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stderr = os.Stderr
	// A group of its own: Ctrl-C is for us.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.pipe, p.out = out, bufio.NewReader(out)
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.state, _ = p.cmd.Process.Wait()
		close(p.ended)
	}()
	return p, nil
}

// PID is the process's.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// State tells how the process has ended; only after it has.
func (p *Process) State() *os.ProcessState { return p.state }

// Ask asks a process that answers. One caller at a time.
func (p *Process) Ask(answer any) error {
	_, err := io.WriteString(p.in, "\n")
	var line []byte
	if err == nil {
		line, err = p.out.ReadBytes('\n')
	}
	if err == nil {
		err = json.Unmarshal(line, answer)
	}
	if err != nil {
		return fmt.Errorf("ask %s: %w", p.Name, err)
	}
	return nil
}

// Expect waits for that line of the process.
func (p *Process) Expect(line string) error {
	said, err := p.out.ReadString('\n')
	if err == nil && said != line+"\n" {
		err = fmt.Errorf("it said %q, not %q", said, line)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	return nil
}

// CloseInput tells a process that answers that nobody asks any more.
func (p *Process) CloseInput() { _ = p.in.Close() }

// Signal sends a signal, unless the process has ended.
func (p *Process) Signal(s syscall.Signal) {
	select {
	case <-p.ended:
	default:
		_ = p.cmd.Process.Signal(s) // it may end this moment
	}
}

// Stop sends a signal and waits for the end; then, after Patience, kills.
func (p *Process) Stop(s syscall.Signal) error {
	p.Signal(s)
	timer := time.NewTimer(Patience)
	defer timer.Stop()
	var err error
	select {
	case <-p.ended:
	case <-timer.C:
		err = fmt.Errorf("%s (process %d) did not end within %v", p.Name, p.PID(), Patience)
		p.Signal(syscall.SIGKILL)
		<-p.ended
	}
	_, _ = p.in.Close(), p.pipe.Close()
	return err
}
