// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// program is one process of the program under test, in a process group of its
// own.
type program struct {
	cmd    *exec.Cmd
	output string        // the file with what it writes
	done   chan struct{} // closed when it has ended
	ended  time.Time     // set before done is closed
}

// startProgram starts the command; onEnd is called from another goroutine when
// it has ended.
func startProgram(path string, args, env []string, dir string, onEnd func()) (*program, error) {
	// A file and not a pipe: something it leaves behind cannot hold us up.
	out, err := os.CreateTemp(dir, "output-")
	if err != nil {
		return nil, fmt.Errorf("conform: %w", err)
	}
	defer out.Close()
	p := &program{cmd: exec.Command(path, args[1:]...), output: out.Name(), done: make(chan struct{})}
	p.cmd.Args[0] = args[0]
	p.cmd.Env = env
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("conform: cannot start the command: %w", err)
	}
	go func() { // stop waits for it
		_ = p.cmd.Wait() // the state says more
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		p.ended = time.Now()
		close(p.done)
		onEnd()
	}()
	return p, nil
}

func (p *program) exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// owns tells whether a process is it, or one that it has started.
func (p *program) owns(pid int) bool {
	group, err := syscall.Getpgid(pid)
	return err == nil && group == p.cmd.Process.Pid
}

// terminate sends SIGTERM to the process, and only to it: what a wrapper started
// is the wrapper's affair.
func (p *program) terminate() { _ = p.cmd.Process.Signal(syscall.SIGTERM) }

// stop kills what is left of it.
func (p *program) stop() {
	if !p.exited() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
	<-p.done
}

// how says how it ended, and what it wrote last.
func (p *program) how() string {
	if !p.exited() {
		return "still runs"
	}
	text := p.cmd.ProcessState.String() // "exit status 1", "signal: killed"
	if said := p.lastLine(); said != "" {
		text += fmt.Sprintf(", saying %q", said)
	}
	return text
}

// code is the exit status, -1 after a signal.
func (p *program) code() int { return p.cmd.ProcessState.ExitCode() }

func (p *program) said() []byte {
	text, err := os.ReadFile(filepath.Clean(p.output))
	if err != nil {
		return nil
	}
	return text
}

func (p *program) lastLine() string {
	text := strings.TrimRight(string(p.said()), "\n")
	line := text[bytes.LastIndexByte([]byte(text), '\n')+1:]
	const most = 100
	if len(line) > most {
		line = line[:most] + "…"
	}
	return line
}
