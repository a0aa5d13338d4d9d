// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package supervise

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

func onOwnThread(f func()) { f() }

// sysProcAttr makes a child the leader of a group of its own. Only the lifeline
// tells it that we are gone.
func sysProcAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func (s *spawner) prepareNice() error {
	if s.cfg.Nice == 0 {
		return nil
	}
	own, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return fmt.Errorf("supervise: niceness: %w", err)
	}
	s.nice = min(own+s.cfg.Nice, MaxNice)
	return nil
}

func (s *spawner) setNice(pid int) {
	if s.cfg.Nice == 0 {
		return
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, pid, s.nice); err != nil {
		s.cfg.Logger.Warn("cannot set the niceness of a process", "pid", pid, "error", err)
	}
}

// awaitEnd cannot be had here: what a process has started outlives it.
func awaitEnd(int) error { return errors.ErrUnsupported }
