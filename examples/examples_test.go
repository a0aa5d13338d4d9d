// SPDX-License-Identifier: Apache-2.0

// Package examples builds the examples and runs them for real, as their READMEs
// say.
package examples

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/jobrunner"
	"github.com/powerhose/powerhose/master"
)

// wait bounds what should be quick, on the slowest of machines.
const wait = 2 * time.Minute

// bin is where TestMain builds the examples.
var bin string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	var err error
	if bin, err = os.MkdirTemp("", "examples"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(bin) }()
	arguments := append([]string{"build", "-buildvcs=false", "-o", bin + "/"}, buildFlags...)
	build := exec.Command("go", append(arguments, "./...")...)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "the examples cannot be built:", err)
		return 1
	}
	return m.Run()
}

// home is a runtime directory: the programs of one test find each other there by
// their defaults, and none of another test.
func home(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ph") // t.TempDir is too long for a socket's path
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// startMaster runs a master at the default endpoints of home.
func startMaster(t *testing.T, home string) {
	t.Helper()
	dir := filepath.Join(home, "powerhose")
	m, err := master.New(master.Config{
		Frontend: "ipc://" + filepath.Join(dir, "frontend.sock"),
		Backend:  "ipc://" + filepath.Join(dir, "backend.sock"),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ran)
	})
}

// program is a running example.
type program struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr output
	done           chan struct{}
}

func start(t *testing.T, home, name string, arguments ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(filepath.Join(bin, name), arguments...), done: make(chan struct{})}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "POWERHOSE_") {
			p.cmd.Env = append(p.cmd.Env, variable)
		}
	}
	// The race detector has each program wait a second at its end.
	p.cmd.Env = append(p.cmd.Env, "XDG_RUNTIME_DIR="+home, "GORACE=atexit_sleep_ms=20")
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	p.cmd.WaitDelay = wait
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("%s wrote:\n%s%s", name, &p.stdout, &p.stderr)
		}
	})
	return p
}

// exit waits for the end and returns the exit code, -1 after a signal.
func (p *program) exit() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(wait):
		p.t.Fatalf("%s does not end", p.cmd.Path)
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *program) terminate() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
}

// address waits until the program says where it serves, and returns the URL.
func (p *program) address() string {
	p.t.Helper()
	var found string
	require.Eventually(p.t, func() bool {
		_, rest, ok := strings.Cut(p.stdout.String(), "serving http://")
		if !ok || !strings.Contains(rest, "\n") {
			return false
		}
		host, _, _ := strings.Cut(strings.Fields(rest)[0], "/")
		found = "http://" + host
		return true
	}, wait, time.Millisecond)
	return found
}

// output collects what a program writes.
type output struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func get(t *testing.T, address string) (status int, body string) {
	t.Helper()
	resp, err := http.Get(address)
	require.NoError(t, err)
	return read(t, resp)
}

func read(t *testing.T, resp *http.Response) (status int, body string) {
	t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}

// requireInREADME: what a program printed is what its README shows.
func requireInREADME(t *testing.T, name, text string) {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(name, "README.md"))
	require.NoError(t, err)
	require.Contains(t, string(readme), text)
}

func TestQuickstart(t *testing.T) {
	t.Parallel()
	dir := home(t)
	startMaster(t, dir)
	runner := start(t, dir, "runner") // first: its job waits for a worker
	worker := start(t, dir, "worker")
	require.Zero(t, runner.exit(), &runner.stderr)
	require.Equal(t, "HELLO FROM ANOTHER PROCESS\n", runner.stdout.String())
	requireInREADME(t, "quickstart", "$ bin/examples/runner                   # terminal 3\n"+runner.stdout.String())
	worker.terminate()
	require.Zero(t, worker.exit(), &worker.stderr)
}

func TestSquare(t *testing.T) {
	t.Parallel()
	dir := home(t)
	startMaster(t, dir)
	worker := start(t, dir, "square-worker")

	right := start(t, dir, "square-runner", "12", "-5", "100000000000000000000")
	require.Zero(t, right.exit(), &right.stderr)
	requireInREADME(t, "square", "square-runner 12 -5 100000000000000000000\n"+right.stdout.String()+"$ ")

	wrong := start(t, dir, "square-runner", "12", "twelve")
	require.Equal(t, 1, wrong.exit())
	requireInREADME(t, "square", "square-runner 12 twelve\n"+wrong.stdout.String()+wrong.stderr.String()+"$ ")

	all := start(t, dir, "square-runner")
	require.Zero(t, all.exit(), &all.stderr)
	require.Equal(t, 12, strings.Count(all.stdout.String(), " squared is "))

	worker.terminate()
	require.Zero(t, worker.exit(), &worker.stderr)
}

func TestSelf(t *testing.T) {
	t.Parallel()
	self := start(t, home(t), "self", "-listen", "127.0.0.1:0")
	address := self.address()

	status, body := get(t, address+"/square?n=12")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "144\n", body)
	status, body = get(t, address+"/square?n=x")
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, body, "not a whole number")

	resp, err := http.PostForm(address+"/hash", url.Values{"password": {"secret"}})
	require.NoError(t, err)
	status, body = read(t, resp)
	require.Equal(t, http.StatusOK, status)
	parts := strings.Split(strings.TrimSpace(body), "$")
	require.Len(t, parts, 5, body)
	require.Equal(t, []string{"", "pbkdf2-sha512", "210000"}, parts[:3])
	for i, octets := range map[int]int{3: 16, 4: 64} { // salt and key
		b, err := base64.RawStdEncoding.DecodeString(parts[i])
		require.NoError(t, err)
		require.Len(t, b, octets)
	}

	self.terminate()
	require.Zero(t, self.exit(), &self.stderr)
}

func TestWeb(t *testing.T) {
	t.Parallel()
	web := start(t, home(t), "web", "-listen", "127.0.0.1:0")
	address := web.address()
	for _, c := range []struct {
		path   string
		status int
		body   string
	}{
		{"/ping", http.StatusOK, "pong"},
		{"/square?n=12", http.StatusOK, "144"},
		{"/square", http.StatusBadRequest, "give n"},
		{"/square?n=" + strings.Repeat("9", 1001), http.StatusBadRequest, "give n"},
		{"/square?n=1.5", http.StatusBadRequest, "not a whole number"},
		{"/square?n=1&timeout=soon", http.StatusBadRequest, "timeout"},
		{"/burn?ms=0", http.StatusBadRequest, "not a number of milliseconds"},
		{"/burn?ms=5", http.StatusOK, "burned 5 ms"},
		{"/nothing", http.StatusNotFound, ""},
	} {
		status, body := get(t, address+c.path)
		require.Equal(t, c.status, status, c.path)
		require.Contains(t, body, c.body, c.path)
	}

	var s jobrunner.Status
	require.Eventually(t, func() bool { // the second worker may still be starting
		_, body := get(t, address+"/status")
		require.NoError(t, json.Unmarshal([]byte(body), &s))
		return len(s.Workers) == 2
	}, time.Minute, 10*time.Millisecond)
	require.Equal(t, web.cmd.Process.Pid, s.PID)

	web.terminate()
	require.Zero(t, web.exit(), &web.stderr)
}

// Not parallel: it burns CPU for a while, and what it prints are times.
func TestWebDemo(t *testing.T) {
	began := time.Now()
	web := start(t, home(t), "web", "-demo")
	require.Zero(t, web.exit(), &web.stderr)
	t.Logf("it took %v:\n%s", time.Since(began).Round(time.Millisecond), &web.stdout)
	for _, want := range []string{"200 OK: 144", "400 Bad Request", "504 Gateway Timeout", "502 Bad Gateway", "503", "was replaced", "answers were right"} {
		require.Contains(t, web.stdout.String(), want)
	}
	require.NotContains(t, web.stdout.String(), "WRONG")
	require.Empty(t, web.stderr.String())
}
