// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/workerenv"
	"github.com/powerhose/powerhose/jobrunner"
	"github.com/powerhose/powerhose/master"
	"github.com/powerhose/powerhose/worker"
)

// patience is how long a test waits for an event before it calls it missing. It
// has nothing to do with how long things take.
const patience = 60 * time.Second

const roleVariable = "E2E_ROLE"

// TestMain lets this binary be a worker, a master or a web process too.
func TestMain(m *testing.M) {
	worker.Main(services)
	switch os.Getenv(roleVariable) {
	case "":
		os.Exit(m.Run())
	case "master":
		exit(beMaster())
	case "embedder":
		exit(beEmbedder())
	default:
		exit(errors.New("unknown role"))
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		var inUse *master.InUseError
		if errors.As(err, &inUse) {
			os.Exit(3)
		}
		os.Exit(1)
	}
	os.Exit(0)
}

// services of the workers in these tests.
var services = worker.Services{
	"echo": func(_ context.Context, job *worker.Job) ([]byte, error) { return job.Payload, nil },
	"fail": func(_ context.Context, job *worker.Job) ([]byte, error) { return nil, errors.New(job.Text()) },
	"panic": func(_ context.Context, job *worker.Job) ([]byte, error) {
		panic(job.Text())
	},
	// Quick, unless it is told to be a gate.
	"mixed": func(ctx context.Context, job *worker.Job) ([]byte, error) {
		if len(job.Payload) == 0 {
			return nil, nil
		}
		return gate(ctx, job)
	},
	"pid": func(context.Context, *worker.Job) ([]byte, error) { return []byte(strconv.Itoa(os.Getpid())), nil },
	"sleep": func(ctx context.Context, job *worker.Job) ([]byte, error) {
		d, err := time.ParseDuration(job.Text())
		if err != nil {
			return nil, err
		}
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return job.Payload, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	},
	"gate": gate,
}

// gate tells the test that the job has started, by connecting to the socket
// that the payload names, and returns what it is sent, or when it is cancelled.
func gate(ctx context.Context, job *worker.Job) ([]byte, error) {
	path, name, _ := strings.Cut(job.Text(), " ")
	conn, err := net.Dial("unix", path)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "%d %s\n", os.Getpid(), name); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("gate closed: %w", err)
	}
	return []byte(strings.TrimSuffix(answer, "\n")), nil
}

func beMaster() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	maxWaiting, _ := strconv.Atoi(os.Getenv("E2E_MAX_WAITING"))
	heartbeat, _ := time.ParseDuration(os.Getenv("E2E_HEARTBEAT"))
	m, err := master.New(master.Config{
		MaxWaiting: maxWaiting, Heartbeat: heartbeat,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	go func() {
		<-m.Ready()
		fmt.Println("ready")
	}()
	return m.Run(ctx)
}

// beEmbedder starts an embedded master with workers, prints their pids, and
// waits to be killed.
func beEmbedder() error {
	r, err := jobrunner.Start(jobrunner.Config{Workers: 2})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		s, err := r.Status(ctx)
		if err != nil {
			return err
		}
		if len(s.Workers) == 2 {
			fmt.Println("ready", s.Workers[0].PID, s.Workers[1].PID)
			select {}
		}
	}
}

// site is a private pair of endpoints.
type site struct {
	t                 testing.TB
	dir               string
	frontend, backend string
}

func newSite(t testing.TB) *site {
	dir, err := os.MkdirTemp("", "e2e") // short: the path of a socket is
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return &site{
		t: t, dir: dir,
		frontend: "ipc://" + filepath.Join(dir, "frontend.sock"),
		backend:  "ipc://" + filepath.Join(dir, "backend.sock"),
	}
}

// process is a real process of this binary.
type process struct {
	t     testing.TB
	cmd   *exec.Cmd
	lines chan string // of its standard output
	ended chan struct{}
	err   error // valid after ended
}

func (s *site) start(env ...string) *process {
	s.t.Helper()
	self, err := os.Executable()
	require.NoError(s.t, err)
	p := &process{t: s.t, cmd: exec.Command(self), lines: make(chan string, 16), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), endpoint.EnvFrontend+"="+s.frontend, endpoint.EnvBackend+"="+s.backend,
		"XDG_RUNTIME_DIR="+s.dir)
	p.cmd.Env = append(p.cmd.Env, env...)
	out, err := p.cmd.StdoutPipe()
	require.NoError(s.t, err)
	var stderr strings.Builder
	p.cmd.Stderr = &stderr
	require.NoError(s.t, p.cmd.Start())
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			p.lines <- lines.Text()
		}
		close(p.lines)
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	s.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Process.Signal(syscall.SIGCONT)
		<-p.ended
		if s.t.Failed() && stderr.Len() > 0 {
			s.t.Logf("process %d said:\n%s", p.cmd.Process.Pid, stderr.String())
		}
	})
	return p
}

func (s *site) master(env ...string) *process {
	s.t.Helper()
	p := s.start(append(env, roleVariable+"=master")...)
	require.Equal(s.t, "ready", p.line())
	return p
}

func (s *site) worker(env ...string) *process {
	s.t.Helper()
	return s.start(append(env, workerenv.Worker+"=1")...)
}

// line is the next line of the process's output, empty at its end.
func (p *process) line() string {
	p.t.Helper()
	select {
	case line := <-p.lines:
		return line
	case <-time.After(patience):
		require.FailNow(p.t, "the process says nothing")
		return ""
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(sig))
}

// wait returns the exit code of the process, -1 if a signal ended it.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		require.FailNow(p.t, "the process does not end")
	}
	return p.cmd.ProcessState.ExitCode()
}

// connect returns a runner on the site's frontend.
func (s *site) connect() *jobrunner.Runner {
	s.t.Helper()
	r, err := jobrunner.Connect(jobrunner.Config{Masters: []string{s.frontend}, Timeout: patience})
	require.NoError(s.t, err)
	s.t.Cleanup(func() { require.NoError(s.t, r.Close()) })
	return r
}

// embed returns a runner with an embedded master at the site's backend, whose
// workers the test starts.
func (s *site) embed(cfg jobrunner.Config) *jobrunner.Runner {
	s.t.Helper()
	cfg.Workers, cfg.Backend = jobrunner.NoWorkers, s.backend
	if cfg.Timeout == 0 {
		cfg.Timeout = patience
	}
	r, err := jobrunner.Start(cfg)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { require.NoError(s.t, r.Close()) })
	return r
}

// workers waits until exactly n workers are registered, and returns the state.
func workers(t testing.TB, r *jobrunner.Runner, n int) jobrunner.Status {
	t.Helper()
	return until(t, r, func(s jobrunner.Status) bool { return len(s.Workers) == n })
}

func until(t testing.TB, r *jobrunner.Runner, ok func(jobrunner.Status) bool) jobrunner.Status {
	t.Helper()
	var last jobrunner.Status
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		s, err := r.Status(ctx)
		last = s
		return err == nil && ok(s)
	}, patience, 2*time.Millisecond)
	return last
}

// gates is the test's side of the service gate.
type gates struct {
	t      testing.TB
	path   string
	opened chan *openGate
}

type openGate struct {
	pid  int
	name string
	conn net.Conn
}

func newGates(t testing.TB) *gates {
	dir, err := os.MkdirTemp("", "gate") // short: a socket's path is
	require.NoError(t, err)
	g := &gates{t: t, path: filepath.Join(dir, "s"), opened: make(chan *openGate, 1024)}
	l, err := net.Listen("unix", g.path)
	require.NoError(t, err)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			line, err := bufio.NewReader(conn).ReadString('\n')
			if err != nil {
				conn.Close()
				continue
			}
			pid, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
			n, _ := strconv.Atoi(pid)
			g.opened <- &openGate{pid: n, name: name, conn: conn}
		}
	}()
	t.Cleanup(func() { l.Close(); os.RemoveAll(dir) })
	return g
}

// payload is that of a job called name.
func (g *gates) payload(name string) string { return g.path + " " + name }

// next is the next job that has started.
func (g *gates) next() *openGate {
	g.t.Helper()
	select {
	case o := <-g.opened:
		return o
	case <-time.After(patience):
		require.FailNow(g.t, "no job starts")
		return nil
	}
}

// open lets the job finish with that result.
func (o *openGate) open(result string) { fmt.Fprintln(o.conn, result) }

// outcome of a job that was executed in the background.
type outcome struct {
	name   string
	result string
	err    error
	took   time.Duration
	at     time.Time
}

// background executes a job and reports its end.
func background(r *jobrunner.Runner, job jobrunner.Job, name string, to chan<- outcome) {
	go func() {
		start := time.Now()
		result, err := r.Do(context.Background(), job)
		to <- outcome{name: name, result: string(result), err: err, took: time.Since(start), at: time.Now()}
	}()
}

func receive(t testing.TB, from <-chan outcome) outcome {
	t.Helper()
	select {
	case o := <-from:
		return o
	case <-time.After(patience):
		require.FailNow(t, "no outcome")
		return outcome{}
	}
}
