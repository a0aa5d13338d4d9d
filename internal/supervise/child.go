// SPDX-License-Identifier: Apache-2.0

//go:build unix

package supervise

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/powerhose/powerhose/internal/workerenv"
)

// lifelineFD is where a child finds its lifeline: the first of
// exec.Cmd.ExtraFiles.
const lifelineFD = 3

// outputDelay is how long to read on from the output of a process that has
// ended: something it started may have left its group and kept the pipe.
const outputDelay = time.Second

// spawner starts children. It belongs to the thread it was made on.
type spawner struct {
	cfg    Config
	path   string
	env    []string
	nice   int     // the children's, absolute; set only if cfg.Nice is
	output *output // nil: they inherit ours
}

func newSpawner(cfg Config) (*spawner, error) {
	path, err := exec.LookPath(cfg.Command[0])
	if err != nil {
		// exec's own text names the program and the reason.
		return nil, fmt.Errorf("supervise: cannot run the command: %w", err)
	}
	s := &spawner{cfg: cfg, path: path}
	if cfg.Output != nil {
		s.output = &output{to: cfg.Output}
	}
	s.env = append(append(os.Environ(), cfg.Env...), workerenv.LifelineFD+"="+strconv.Itoa(lifelineFD))
	if err := s.prepareNice(); err != nil {
		return nil, err
	}
	return s, nil
}

// child is one process. Its methods belong to the loop, except wait.
type child struct {
	cmd      *exec.Cmd
	lifeline *os.File    // the end that only we have
	lines    *lineWriter // nil if it inherited our output
}

func (s *spawner) spawn() (*child, error) {
	// A pipe for each child: whether reading blocks is a property of the pipe's
	// end, and one child's choice must not be another's.
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("supervise: lifeline: %w", err)
	}
	defer theirs.Close()
	c := &child{cmd: exec.Command(s.path, s.cfg.Command[1:]...), lifeline: ours}
	c.cmd.Args[0] = s.cfg.Command[0]
	c.cmd.Env = s.env
	c.cmd.ExtraFiles = []*os.File{theirs}
	c.cmd.SysProcAttr = sysProcAttr()
	c.cmd.WaitDelay = outputDelay
	if s.output == nil {
		c.cmd.Stdout, c.cmd.Stderr = os.Stdout, os.Stderr
	} else {
		c.lines = newLineWriter(s.output)
		c.cmd.Stdout, c.cmd.Stderr = c.lines, c.lines
	}
	if err := c.cmd.Start(); err != nil {
		ours.Close()
		return nil, fmt.Errorf("supervise: cannot start the command: %w", err)
	}
	if c.lines != nil {
		c.lines.name(c.pid())
	}
	s.setNice(c.pid())
	return c, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// terminate asks the process to end, and only it: what it started is its own
// affair, and a wrapper that passes the signal on would make two of it.
func (c *child) terminate() { _ = c.cmd.Process.Signal(syscall.SIGTERM) }

// kill ends the process at once. What else is in its group follows when wait
// sees it end.
func (c *child) kill() { _ = c.cmd.Process.Kill() }

// wait returns when the process and its group are gone, with how it ended.
func (c *child) wait() string {
	// The group is killed while its leader is still a zombie: until it is reaped
	// nobody else can get its number.
	if awaitEnd(c.pid()) == nil {
		_ = syscall.Kill(-c.pid(), syscall.SIGKILL)
	}
	_ = c.cmd.Wait() // the state says more
	c.lifeline.Close()
	if c.lines != nil {
		c.lines.flush()
	}
	return c.cmd.ProcessState.String()
}
