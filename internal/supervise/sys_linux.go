// SPDX-License-Identifier: Apache-2.0

package supervise

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// onOwnThread runs f on a thread that is f's alone and ends with it: not on the
// main thread, which never ends and whose niceness passes for the process's.
func onOwnThread(f func()) {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	if unix.Gettid() != os.Getpid() {
		f()
		return
	}
	locked := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		close(locked)
		f()
	}()
	<-locked
	runtime.UnlockOSThread()
}

// sysProcAttr makes a child the leader of a group of its own, that is killed
// when the thread that started it ends.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// prepareNice makes this thread as nice as its children shall be. On Linux
// niceness belongs to a thread and is inherited: setting it afterwards, by the
// process id, would miss those threads that the child's runtime has started by
// then.
func (s *spawner) prepareNice() error {
	if s.cfg.Nice == 0 {
		return nil
	}
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return fmt.Errorf("supervise: niceness: %w", err)
	}
	s.nice = min(20-raw+s.cfg.Nice, MaxNice) // the system call returns 20 - niceness
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, s.nice); err != nil {
		return fmt.Errorf("supervise: niceness %d: %w", s.nice, err)
	}
	return nil
}

func (s *spawner) setNice(int) {}

// awaitEnd returns when the process has ended, and leaves it unreaped.
func awaitEnd(pid int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
