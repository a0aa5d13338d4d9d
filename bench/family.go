// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// family are the processes that a peer consists of. They are killed when the
// thread that started them ends; so all are started by the main goroutine, which
// never leaves the main thread (see role.go).
type family struct {
	members []*member
}

// member is one process of a family.
type member struct {
	name string
	cmd  *exec.Cmd
	out  *bufio.Reader
	in   io.WriteCloser
}

// start runs a program. What it prints to standard output is for the caller.
func (f *family) start(ctx context.Context, env []string, program string, args ...string) (*member, error) {
	m := &member{name: filepath.Base(program), cmd: exec.CommandContext(ctx, program, args...)}
	m.cmd.Env = append(os.Environ(), env...)
	m.cmd.Stderr = os.Stderr
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if m.in, err = m.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	m.out = bufio.NewReader(out)
	if err := m.cmd.Start(); err != nil {
		return nil, err
	}
	f.members = append(f.members, m)
	return m, nil
}

// startRole runs this program again, in one of its roles, and waits for the
// first line that it prints.
func (f *family) startRole(ctx context.Context, role string, args ...string) (line string, err error) {
	m, err := f.start(ctx, nil, self(), append([]string{roleFlag, role}, args...)...)
	if err != nil {
		return "", err
	}
	m.name = role
	return m.line()
}

// self is this program.
func self() string {
	path, err := os.Executable()
	if err != nil {
		panic(err) // Linux knows it
	}
	return path
}

// line returns the next line that the process prints.
func (m *member) line() (string, error) {
	line, err := m.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("%s ended, or said nothing: %w", m.name, err)
	}
	return strings.TrimSpace(line), nil
}

// stopTime is how long a process may take to end after SIGTERM.
const stopTime = 15 * time.Second

// stop ends the processes, the latest first, and waits for them. All of them are
// expected to be alive.
func (f *family) stop() error {
	var errs []error
	for i := len(f.members) - 1; i >= 0; i-- {
		m := f.members[i]
		if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			errs = append(errs, fmt.Errorf("%s ended by itself: %w", m.name, err))
		}
		kill := time.AfterFunc(stopTime, func() { _ = m.cmd.Process.Kill() })
		_ = m.cmd.Wait() // the state says more
		switch state := m.cmd.ProcessState; {
		case !kill.Stop():
			errs = append(errs, fmt.Errorf("%s did not end within %v", m.name, stopTime))
		case state.ExitCode() > 0:
			errs = append(errs, fmt.Errorf("%s ended with %v", m.name, state))
		}
	}
	f.members = nil
	return errors.Join(errs...)
}

// wait waits for a process that ends by itself.
func (f *family) wait(m *member) error {
	f.members = slices.DeleteFunc(f.members, func(o *member) bool { return o == m })
	if err := m.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	return nil
}
