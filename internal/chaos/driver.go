// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/workerenv"
)

// Config of a run.
type Config struct {
	Seed uint64
	// Time is how long there is load; starting, recovering and draining come on
	// top, at most a minute.
	Time time.Duration
	// Master is the program powerhose-master, CWorker the C++ worker that keeps
	// a journal (journal-worker).
	Master, CWorker string
	// Keep leaves the records in place even if there is no finding.
	Keep bool
	Out  io.Writer
}

const (
	masterA = 0 // ipc, in the runtime directory
	masterB = 1 // tcp, behind proxies and the cable

	callers = 24 // of each runner
	// What ends a process that was asked to end, if it does not do it by itself.
	endLimit     = 30 * time.Second
	recoverLimit = 30 * time.Second
	diskSize     = 256 << 10
	// ownSocket begins the names of the sockets of workers in listen mode.
	ownSocket = "own.sock."
)

type world struct {
	cfg     Config
	starter *starter
	dir     string // records, journals, logs
	runtime string // the sockets and start ledgers of master a
	mounted bool
	cable   *cable // nil where network namespaces are not permitted
	marker  string // in the environment of all our processes

	frontends, backends [masters]string
	masters             [masters]*place
	workers             [workers]*place
	runners             [runners]*place
	workerProxies       map[int]*proxy
	runnerProxies       map[int]*proxy

	mu       sync.Mutex // guards what follows
	limit    int        // descriptors of the next process of master a; 0: no limit
	done     [faultKinds]int
	skipped  map[string]int
	lags     []span // of the driver
	scarce   []span // when master a had a full disk or few descriptors
	findings []string
	ownLeft  int // sockets of workers in listen mode that were killed
}

// capacities of the workers; what else is special about each says workerCommand.
var capacities = [workers]int{1, 4, 1, 3, 1, 2, 1, 1}

// masterOf is where a worker registers.
func masterOf(worker int) int {
	if worker < 4 {
		return masterA
	}
	return masterB
}

func isCPP(worker int) bool { return worker%4 >= 2 }

// Run makes one run, and reports how many findings there were. An error says
// that there was no run.
func Run(ctx context.Context, cfg Config) (findings int, err error) {
	for _, program := range []string{cfg.Master, cfg.CWorker} {
		if _, err := os.Stat(program); err != nil {
			return 0, fmt.Errorf("chaos: %w (make chaos builds it)", err)
		}
	}
	w := &world{
		cfg: cfg, starter: newStarter(), skipped: map[string]int{},
		marker:        fmt.Sprintf("CHAOS_RUN=%d-%d", os.Getpid(), now()),
		workerProxies: map[int]*proxy{}, runnerProxies: map[int]*proxy{},
	}
	defer w.tearDown()
	if err := w.setUp(); err != nil {
		return 0, fmt.Errorf("chaos: %w", err)
	}
	faults := schedule(cfg.Seed, cfg.Time)
	w.say("seed %d, %v, %d faults planned; master a on ipc (%s), master b on tcp (%s)",
		cfg.Seed, cfg.Time, len(faults), w.diskText(), w.cableText())

	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		watchLag(stop, func(s span) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.lags = append(w.lags, s)
		})
	})
	began := now()
	if err := w.startAll(); err != nil {
		return 0, fmt.Errorf("chaos: %w", err)
	}
	w.play(ctx, began, faults)
	w.end(ctx)
	close(stop)
	watching.Wait()
	if ctx.Err() != nil {
		return 0, errors.New("chaos: stopped")
	}
	return w.verdict(began), nil
}

func (w *world) say(format string, args ...any) { fmt.Fprintf(w.cfg.Out, format+"\n", args...) }

// find notes what should not be.
func (w *world) find(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.findings = append(w.findings, fmt.Sprintf(format, args...))
}

func (w *world) setUp() error {
	dir, err := os.MkdirTemp("", "chaos-")
	if err != nil {
		return err
	}
	w.dir = dir
	w.runtime = filepath.Join(dir, "run")
	if err := os.Mkdir(w.runtime, 0o700); err != nil {
		return err
	}
	w.mounted = unix.Mount("tmpfs", w.runtime, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0700,size="+strconv.Itoa(diskSize)) == nil
	if !w.mounted {
		w.skipped["fill disk: no permission to mount a small tmpfs"] = 0
	}
	host := "127.0.0.1"
	if w.cable, err = newCable(); err == nil {
		host = w.cable.host
	} else {
		w.skipped["unplug namespace: "+err.Error()] = 0
	}
	powerhose := filepath.Join(w.runtime, "powerhose")
	w.frontends[masterA] = "ipc://" + filepath.Join(powerhose, "frontend.sock")
	w.backends[masterA] = "ipc://" + filepath.Join(powerhose, "backend.sock")
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	w.frontends[masterB] = fmt.Sprintf("tcp://127.0.0.1:%d", ports[0])
	w.backends[masterB] = fmt.Sprintf("tcp://%s:%d", host, ports[1])
	for _, i := range []int{4, 6} {
		if w.workerProxies[i], err = newProxy(strings.TrimPrefix(w.backends[masterB], "tcp://")); err != nil {
			return err
		}
	}
	for _, i := range []int{1, 2, 3} {
		if w.runnerProxies[i], err = newProxy(strings.TrimPrefix(w.frontends[masterB], "tcp://")); err != nil {
			return err
		}
	}
	return nil
}

// freePorts asks the kernel for ports that nobody has now.
func freePorts(n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

func (w *world) diskText() string {
	if w.mounted {
		return "on a tmpfs of " + strconv.Itoa(diskSize>>10) + " KiB"
	}
	return "its disk is not ours to fill"
}

func (w *world) cableText() string {
	if w.cable != nil {
		return "two workers behind proxies, two in a network namespace"
	}
	return "two workers behind proxies, two direct"
}

func (w *world) startAll() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for i := range masters {
		w.masters[i] = w.place("master-"+"ab"[i:i+1], func(int) (string, []string, []string) { return w.masterCommand(self, i) })
	}
	for i := range workers {
		w.workers[i] = w.place(fmt.Sprintf("worker-%d", i), func(int) (string, []string, []string) { return w.workerCommand(self, i) })
	}
	for i := range runners {
		w.runners[i] = w.place(fmt.Sprintf("runner-%d", i), func(n int) (string, []string, []string) { return w.runnerCommand(self, i, n) })
	}
	for _, p := range w.places() {
		if err := p.run(); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

func (w *world) place(name string, command func(n int) (string, []string, []string)) *place {
	return &place{name: name, starter: w.starter, command: command, dir: w.dir}
}

func (w *world) places() []*place {
	var all []*place
	all = append(all, w.masters[:]...)
	all = append(all, w.workers[:]...)
	return append(all, w.runners[:]...)
}

// environment is what every process gets beside its own.
func (w *world) environment(more ...string) []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "POWERHOSE_") && !strings.HasPrefix(v, "CHAOS_") {
			env = append(env, v)
		}
	}
	return append(append(env, w.marker, "XDG_RUNTIME_DIR="+w.runtime), more...)
}

func (w *world) masterCommand(self string, i int) (path string, args, env []string) {
	args = []string{
		"--frontend", w.frontends[i], "--backend", w.backends[i], "--insecure",
		"--heartbeat", "500ms", "--drain-timeout", "5s", "--max-waiting", "200", "--log-level", "info",
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if i == masterA && w.limit > 0 {
		return self, args, w.environment(envLimit+"="+strconv.Itoa(w.limit), envProgram+"="+w.cfg.Master)
	}
	return w.cfg.Master, args, w.environment()
}

func (w *world) workerCommand(self string, i int) (path string, args, env []string) {
	backend := w.backends[masterOf(i)]
	if p := w.workerProxies[i]; p != nil {
		backend = p.endpoint()
	}
	env = w.environment(
		workerenv.Worker+"=1", endpoint.EnvBackend+"="+backend, workerenv.Insecure+"=1",
		workerenv.Capacity+"="+strconv.Itoa(capacities[i]), workerenv.DrainTimeout+"=10s", workerenv.LogLevel+"=info",
		envJournal+"="+filepath.Join(w.dir, fmt.Sprintf("journal-%d", i)))
	if i == 1 || i == 3 {
		env = append(env, workerenv.Listen+"=ipc://"+filepath.Join(w.runtime, fmt.Sprintf("%s%d", ownSocket, i)))
	}
	path = self
	if isCPP(i) {
		threads := map[int]string{6: "single"}[i]
		if threads == "" {
			threads = "auto"
		}
		path, args = w.cfg.CWorker, []string{threads}
	}
	if w.cable != nil && (i == 5 || i == 7) {
		path, args = w.cable.wrap(path, args)
	}
	return path, args, env
}

func (w *world) runnerCommand(self string, i, n int) (path string, args, env []string) {
	a, b := w.frontends[masterA], w.frontends[masterB]
	if p := w.runnerProxies[i]; p != nil {
		b = p.endpoint()
	}
	to := [runners]string{a, a + " " + b, b + " " + a, b}[i]
	abrupt := ""
	if n%2 == 0 {
		abrupt = "1"
	}
	return self, nil, w.environment(
		envRecord+"="+filepath.Join(w.dir, fmt.Sprintf("record-%d.%d", i, n)), envMasters+"="+to,
		envName+"="+fmt.Sprintf("r%d.%d", i, n), envCallers+"="+strconv.Itoa(callers), envAbrupt+"="+abrupt,
		envSeed+"="+strconv.FormatUint(w.cfg.Seed*1000+uint64(100*i+n), 10))
}

// How a process is told to start a master with few descriptors.
const (
	envLimit   = "CHAOS_LIMIT"
	envProgram = "CHAOS_PROGRAM"
)

// BeLimited becomes a master with few descriptors if this process was started
// for that.
func BeLimited() error {
	text := os.Getenv(envLimit)
	if text == "" {
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
		return err
	}
	program := os.Getenv(envProgram)
	return syscall.Exec(program, append([]string{program}, os.Args[1:]...), os.Environ())
}

// tearDown leaves nothing behind, unless there is something to look at.
func (w *world) tearDown() {
	for _, p := range w.places() {
		if p != nil {
			p.signal(syscall.SIGCONT)
			p.kill()
		}
	}
	for _, proxies := range []map[int]*proxy{w.workerProxies, w.runnerProxies} {
		for _, p := range proxies {
			p.close()
		}
	}
	if w.cable != nil {
		w.cable.remove()
	}
	if w.mounted {
		if err := unix.Unmount(w.runtime, unix.MNT_DETACH); err != nil {
			w.say("cannot unmount %s: %v", w.runtime, err)
		}
	}
	if w.cfg.Keep || len(w.findings) > 0 {
		w.say("records, journals and logs are in %s", w.dir)
		return
	}
	if w.dir != "" {
		_ = os.RemoveAll(w.dir)
	}
}
