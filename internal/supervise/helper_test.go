// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/powerhose/powerhose/internal/workerenv"
)

// roleEnv makes this test binary one of the processes below instead of running
// tests.
const roleEnv = "SUPERVISE_TEST_ROLE"

// patience is what a test waits for something that should happen at once.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		play(role)
		return
	}
	// A child built with -race would sleep for a second before it ends.
	must(os.Setenv("GORACE", "atexit_sleep_ms=0"))
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// play is what a child does. It says so in a line when it is ready.
func play(role string) {
	switch role {
	case "polite": // ends at SIGTERM
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM)
		fmt.Println("ready")
		<-term
		fmt.Println("bye")
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		select {}
	case "failing":
		fmt.Println("ready")
		fmt.Print("no end of line")
		os.Exit(3)
	case "nice": // tells the niceness of each of its threads
		tellNiceness()
	case "lifeline": // its parent's death is no signal, only the end of the pipe
		must(unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0))
		fd, err := strconv.Atoi(os.Getenv(workerenv.LifelineFD))
		must(err)
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.NewFile(uintptr(fd), "lifeline"))
	case "family": // leaves a process behind
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), roleEnv+"=stubborn")
		must(cmd.Start())
		fmt.Println("child", cmd.Process.Pid)
		os.Exit(1)
	case "parent": // has two children, until it is killed
		p, err := Start(Config{
			Command: []string{os.Args[0]}, N: 2, Output: os.Stdout,
			Env: []string{roleEnv + "=" + os.Getenv("SUPERVISE_TEST_CHILDREN")},
		})
		must(err)
		fmt.Println("pids", strings.Trim(fmt.Sprint(p.PIDs()), "[]"))
		select {}
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
}

func tellNiceness() {
	tasks, err := os.ReadDir("/proc/self/task")
	must(err)
	line := "nice"
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		must(err)
		raw, err := unix.Getpriority(unix.PRIO_PROCESS, tid)
		must(err)
		line += fmt.Sprint(" ", 20-raw)
	}
	fmt.Println(line)
	select {}
}

// lines is an Output for tests.
type lines struct {
	t  *testing.T
	ch chan string
}

func newLines(t *testing.T) *lines { return &lines{t: t, ch: make(chan string, 1000)} }

func (l *lines) Write(b []byte) (int, error) {
	l.ch <- strings.TrimSuffix(string(b), "\n")
	return len(b), nil
}

// next returns the next line, and whose it is.
func (l *lines) next() (pid int, text string) {
	l.t.Helper()
	select {
	case line := <-l.ch:
		prefix, text, found := strings.Cut(line, "] ")
		require.True(l.t, found, "line %q", line)
		pid, err := strconv.Atoi(strings.TrimPrefix(prefix, "["))
		require.NoError(l.t, err, "line %q", line)
		return pid, text
	case <-time.After(patience):
		require.FailNow(l.t, "no line came")
		return 0, ""
	}
}

// ready waits for that many processes to say so, and returns who did.
func (l *lines) ready(n int) (pids []int) {
	l.t.Helper()
	for len(pids) < n {
		pid, text := l.next()
		if text == "ready" {
			pids = append(pids, pid)
		}
	}
	return pids
}

// fakeClock stands still. Each timer is offered to the test, which fires it.
type fakeClock struct {
	mu     sync.Mutex
	now    time.Time
	timers chan fakeTimer
}

type fakeTimer struct {
	in time.Duration
	ch chan time.Time
}

func newFakeClock() *fakeClock {
	return &fakeClock{now: time.Now(), timers: make(chan fakeTimer, 1000)}
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

func (c *fakeClock) NewTimer(d time.Duration) (<-chan time.Time, func()) {
	t := fakeTimer{in: d, ch: make(chan time.Time, 1)}
	c.timers <- t
	return t.ch, func() {}
}

// fire waits for a restart to be planned, lets it happen, and returns how long
// it would have taken.
func (c *fakeClock) fire(t *testing.T) time.Duration {
	t.Helper()
	select {
	case timer := <-c.timers:
		timer.ch <- c.advance(timer.in)
		return timer.in
	case <-time.After(patience):
		require.FailNow(t, "no restart was planned")
		return 0
	}
}

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
