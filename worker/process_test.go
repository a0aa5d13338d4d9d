// SPDX-License-Identifier: Apache-2.0

package worker_test

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/ledger"
	"github.com/powerhose/powerhose/internal/workerenv"
	"github.com/powerhose/powerhose/protocol"
)

// process is a worker in a process of its own: this program, started again.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr *bytes.Buffer
}

func spawn(t *testing.T, backend string, environment ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0]), stderr: &bytes.Buffer{}}
	p.cmd.Env = append(os.Environ(), workerenv.Worker+"=1", endpoint.EnvBackend+"="+backend)
	p.cmd.Env = append(p.cmd.Env, environment...)
	p.cmd.Stderr = p.stderr
	var err error
	p.stdin, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	p.stdout = bufio.NewReader(stdout)
	return p
}

func (p *process) start() *process {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Start())
	p.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	return p
}

// handlerStarted waits for a handler to say so.
func (p *process) handlerStarted() {
	p.t.Helper()
	line, err := p.stdout.ReadString('\n')
	require.NoError(p.t, err, p.stderr)
	require.Equal(p.t, "started\n", line)
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(s))
}

// exit waits for the end and returns the exit code, -1 after a signal.
func (p *process) exit() int {
	p.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.Discard, p.stdout)
		_ = p.cmd.Wait()
	}()
	recv(p.t, done)
	return p.cmd.ProcessState.ExitCode()
}

func TestMainDrainsOnSIGTERM(t *testing.T) {
	t.Parallel()
	m := newMaster(t)
	p := spawn(t, m.endpoint, workerenv.Capacity+"=2", workerenv.Prefetch+"=3", workerenv.LogLevel+"=debug").start()
	reg := m.register()
	require.Equal(t, p.cmd.Process.Pid, reg.PID)
	require.Equal(t, 2, reg.Capacity)
	require.Equal(t, 3, reg.Prefetch)
	require.Equal(t, []string{"environment", "stuck", "upper", "wait"}, reg.Services)
	m.welcome(protocol.Welcome{})
	m.job(1, "upper", "secret")
	require.Equal(t, "SECRET", m.result(1).payload)
	m.job(2, "environment", "")
	environment := m.result(2).payload
	require.NotContains(t, environment, workerenv.Worker+"=", "what a handler starts is no worker")
	require.NotContains(t, environment, workerenv.LifelineFD)

	m.job(3, "stuck", "")
	p.handlerStarted()
	p.signal(syscall.SIGTERM)
	m.expect(protocol.CommandDrain)
	_, err := p.stdin.Write([]byte("x"))
	require.NoError(t, err)
	require.Equal(t, "released", m.result(3).payload)
	m.send(protocol.AppendBye(nil, protocol.RoleWorker))
	require.Zero(t, p.exit(), p.stderr)
	require.Contains(t, p.stderr.String(), "msg=registered")
	require.NotContains(t, strings.ToLower(p.stderr.String()), "secret", "no payload in the log")
}

func TestMainSecondSignalExitsAtOnce(t *testing.T) {
	t.Parallel()
	m := newMaster(t)
	p := spawn(t, m.endpoint).start()
	m.admit()
	m.job(1, "stuck", "")
	p.handlerStarted()
	p.signal(os.Interrupt)
	m.expect(protocol.CommandDrain)
	p.signal(os.Interrupt)
	require.Equal(t, 1, p.exit(), p.stderr)
}

//
func TestMainKilled(t *testing.T) {
	t.Parallel()
	m := newMaster(t)
	p := spawn(t, m.endpoint).start()
	book, err := ledger.Open(m.register().Ledger)
	require.NoError(t, err)
	m.welcome(protocol.Welcome{Ledger: true, Batch: 16})
	m.job(1, "upper", "")
	m.job(2, "upper", "")
	m.results(2)
	m.jobs(3, 5, "stuck", "")
	p.handlerStarted()
	p.signal(syscall.SIGKILL)
	require.Equal(t, -1, p.exit())
	claimed, ok := book.CloseAndCount()
	require.True(t, ok)
	require.Equal(t, uint64(3), claimed, "the ledger survives its worker")
	require.NoError(t, book.Release())
}

// A process that was stopped for a while comes back, and does not start what
// it was given before.
func TestMainStopped(t *testing.T) {
	t.Parallel()
	m := newMaster(t)
	p := spawn(t, m.endpoint).start()
	book, err := ledger.Open(m.register().Ledger)
	require.NoError(t, err)
	m.welcome(protocol.Welcome{Ledger: true, Heartbeat: 20 * time.Millisecond})
	m.job(1, "upper", "")
	m.result(1)
	p.signal(syscall.SIGSTOP)
	m.job(2, "wait", "stale")
	claimed, ok := book.CloseAndCount()
	require.True(t, ok)
	require.NoError(t, book.Release())
	p.signal(syscall.SIGCONT)
	m.mute = true
	if claimed == 1 { // otherwise it was not stopped soon enough
		for seen := m.pings; m.pings == seen; {
			m.receivePing()
		}
		m.refuse(protocol.CodeUnregistered, "")
		m.admit()
		m.job(3, "upper", "fresh")
		require.Equal(t, "FRESH", m.result(3).payload)
	}
}

func TestMainWithoutMaster(t *testing.T) {
	t.Parallel()
	p := spawn(t, ipcIn(t, "nobody.sock"), workerenv.Patience+"=100ms").start()
	require.Equal(t, 1, p.exit())
	require.Contains(t, p.stderr.String(), "master is gone")
}

func TestMainRefusesBadEnvironment(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, value string }{
		{workerenv.Capacity, "many"},
		{workerenv.Capacity, "5000"},
		{workerenv.Prefetch, "257"},
		{workerenv.Patience, "5"},
		{workerenv.DrainTimeout, "-1s"},
		{workerenv.MaxMessage, "1"},
		{workerenv.LogLevel, "loud"},
		{workerenv.Listen, "nowhere"},
		{workerenv.LifelineFD, "99"},
		{workerenv.LifelineFD, "x"},
		{endpoint.EnvBackend, "http://example.org"},
	} {
		p := spawn(t, "ipc:///nowhere.sock", c.name+"="+c.value).start()
		require.Equal(t, 1, p.exit(), "%s=%s", c.name, c.value)
		require.Contains(t, p.stderr.String(), c.value)
	}
}

func TestMainLifeline(t *testing.T) {
	t.Parallel()
	m := newMaster(t)
	reading, writing, err := os.Pipe()
	require.NoError(t, err)
	p := spawn(t, m.endpoint, workerenv.LifelineFD+"=3")
	p.cmd.ExtraFiles = []*os.File{reading}
	p.start()
	require.NoError(t, reading.Close())
	m.admit()
	m.job(1, "wait", "")
	p.handlerStarted()
	require.NoError(t, writing.Close()) // as if this process died
	require.Equal(t, 1, p.exit())
	require.Contains(t, p.stderr.String(), "parent")
}
