// SPDX-License-Identifier: Apache-2.0

package pidwatch

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Watch is the watch over one process. Its methods may be called from any
// goroutine, with the exception that Stop names.
type Watch struct {
	file  *os.File // the pidfd
	conn  syscall.RawConn
	gone  func()
	state atomic.Int32
	done  chan struct{}
}

// States of a Watch. It leaves watching once.
const (
	watching int32 = iota
	ended          // the process is gone and gone was or is being called
	stopped
)

// Start calls gone once, from a goroutine of its own, when the process has ended
// (a zombie has). It returns os.ErrProcessDone if there is no such process, in
// which case gone is never called, and ErrUnsupported where it cannot work.
func Start(pid int, gone func()) (*Watch, error) {
	if pid <= 0 {
		return nil, fmt.Errorf("pidwatch: %d is not a process", pid)
	}
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, openError(pid, err)
	}
	file := os.NewFile(uintptr(fd), "pidfd")
	if err := file.SetReadDeadline(time.Time{}); err != nil {
		file.Close()
		return nil, fmt.Errorf("%w (it does not join the netpoller: %v)", ErrUnsupported, err)
	}
	conn, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("pidwatch: pidfd of %d: %w", pid, err)
	}
	w := &Watch{file: file, conn: conn, gone: gone, done: make(chan struct{})}
	go w.run()
	return w, nil
}

func openError(pid int, err error) error {
	switch {
	case errors.Is(err, unix.ESRCH):
		return os.ErrProcessDone
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM), errors.Is(err, unix.EINVAL):
		// EINVAL: a kernel before 5.10 does not know the flag. EPERM: seccomp.
		return fmt.Errorf("%w (%v)", ErrUnsupported, err)
	}
	return fmt.Errorf("pidwatch: pidfd of %d: %w", pid, err)
}

func (w *Watch) run() {
	defer close(w.done)
	// Read returns an error only when Cancel set the deadline: nothing to do.
	_ = w.conn.Read(func(fd uintptr) bool { return hasEnded(int(fd)) })
	w.file.Close()
	if w.state.CompareAndSwap(watching, ended) {
		w.gone()
	}
}

// hasEnded tells whether the pidfd is readable. It stands inside the netpoller's
// callback because the runtime forgets earlier edges when Read begins.
func hasEnded(fd int) bool {
	for {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		if err == nil {
			return n > 0
		}
		if !errors.Is(err, unix.EINTR) {
			return false
		}
	}
}

// Cancel ends the watch and returns at once. If it returns true, gone has not
// been called and never will be; else it was called or is being called.
func (w *Watch) Cancel() bool {
	won := w.state.CompareAndSwap(watching, stopped)
	_ = w.file.SetReadDeadline(time.Unix(1, 0))
	return won || w.state.Load() == stopped
}

// Stop is Cancel, and waits until the goroutine has ended; a call of gone in
// progress is waited for. So it must not be called from gone, nor while holding
// a lock that gone takes: use Cancel there. Stopping twice is harmless.
func (w *Watch) Stop() {
	w.Cancel()
	<-w.done
}
