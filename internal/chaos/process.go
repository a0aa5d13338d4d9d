// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// starter starts processes from one thread that lives as long as this process,
// so that they are killed when it ends, however it ends.
type starter struct{ todo chan func() }

func newStarter() *starter {
	s := &starter{todo: make(chan func())}
	go func() { // ends with the process
		runtime.LockOSThread()
		for f := range s.todo {
			f()
		}
	}()
	return s
}

func (s *starter) start(cmd *exec.Cmd) (err error) {
	done := make(chan struct{})
	s.todo <- func() { err = cmd.Start(); close(done) }
	<-done
	return err
}

// ended is how a process of a place ended.
type ended struct {
	pid          int
	started, at  time.Duration
	asked        bool          // it was sent SIGTERM
	askedAt      time.Duration // valid if asked
	killed       bool          // it was sent SIGKILL
	code         int           // -1: by a signal
	signal       syscall.Signal
	log          string
	unreasonable bool // it had to be killed, since it did not end when asked
}

func (e ended) String() string {
	if e.code < 0 {
		return e.signal.String()
	}
	return fmt.Sprintf("exit code %d", e.code)
}

// place is where one process after another runs: whatever ends is started again,
// as a supervisor does.
type place struct {
	name    string
	starter *starter
	// command makes the n-th process.
	command func(n int) (path string, args, env []string)
	dir     string // of the logs

	all sync.WaitGroup

	mu       sync.Mutex // guards what follows
	process  *os.Process
	current  ended // what is known of process
	n        int
	finish   bool // nothing is started any more
	ends     []ended
	troubles []span // when this place was stopped, killed or cut off, in order
}

const restartPause = 150 * time.Millisecond

func (p *place) run() error {
	first := make(chan error, 1)
	p.all.Go(func() {
		for {
			cmd, err := p.launch()
			if first != nil {
				first <- err
				first = nil
			}
			if cmd == nil {
				return // finished
			}
			if err == nil {
				p.await(cmd)
			}
			time.Sleep(restartPause)
		}
	})
	return <-first
}

// launch starts the next process, unless the place is finished.
func (p *place) launch() (*exec.Cmd, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.finish {
		return nil, nil
	}
	p.n++
	path, args, env := p.command(p.n)
	cmd := exec.Command(path, args...)
	cmd.Env = env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	log := fmt.Sprintf("%s/log-%s.%d", p.dir, p.name, p.n)
	out, err := os.Create(log)
	if err != nil {
		return cmd, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := p.starter.start(cmd); err != nil {
		return cmd, err
	}
	p.process = cmd.Process
	p.current = ended{pid: cmd.Process.Pid, started: now(), log: log}
	return cmd, nil
}

func (p *place) await(cmd *exec.Cmd) {
	err := cmd.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.current
	e.at = now()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		e.code = exit.ExitCode()
		if st, ok := exit.Sys().(syscall.WaitStatus); ok && st.Signaled() {
			e.signal = st.Signal()
		}
	}
	p.process = nil
	p.ends = append(p.ends, e)
}

// signal sends a signal to the process that runs now, if one does.
func (p *place) signal(sig syscall.Signal) (pid int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process == nil {
		return 0
	}
	switch sig {
	case syscall.SIGTERM:
		if p.current.asked {
			return 0 // a second one ends it at once
		}
		p.current.asked, p.current.askedAt = true, now()
	case syscall.SIGKILL:
		p.current.killed = true
	default:
	}
	_ = p.process.Signal(sig)
	return p.process.Pid
}

func (p *place) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.process == nil {
		return 0
	}
	return p.process.Pid
}

// trouble notes that the place was in trouble for that time.
func (p *place) trouble(s span) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := len(p.troubles)
	for i > 0 && p.troubles[i-1].from > s.from {
		i--
	}
	p.troubles = append(p.troubles[:i], append([]span{s}, p.troubles[i:]...)...)
}

// stop asks the process to end and waits; one that does not is killed, and that
// is remembered. Nothing is started in this place any more.
func (p *place) stop(limit time.Duration) {
	p.mu.Lock()
	p.finish = true
	p.mu.Unlock()
	p.signal(syscall.SIGTERM)
	gone := make(chan struct{})
	go func() {
		p.all.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		return
	case <-time.After(limit):
	}
	p.mu.Lock()
	p.current.unreasonable = true
	p.mu.Unlock()
	p.signal(syscall.SIGQUIT) // Go processes tell where they are
	select {
	case <-gone:
	case <-time.After(2 * time.Second):
		p.signal(syscall.SIGKILL)
		<-gone
	}
}

// kill ends it all at once.
func (p *place) kill() {
	p.mu.Lock()
	p.finish = true
	p.mu.Unlock()
	p.signal(syscall.SIGKILL)
	p.all.Wait()
}
