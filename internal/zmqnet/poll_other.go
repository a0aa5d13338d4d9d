// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package zmqnet

import (
	"math"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// poll is poll(2), which counts in whole milliseconds. A negative timeout means
// never.
func poll(fds []unix.PollFd, timeout time.Duration) (int, error) {
	if timeout < 0 {
		return unix.Poll(fds, -1)
	}
	return unix.Poll(fds, int(min(roundUp(timeout)/time.Millisecond, math.MaxInt32)))
}

func pipe(p *[2]int) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := unix.Pipe(p[:]); err != nil {
		return err
	}
	for _, fd := range p {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			return err
		}
	}
	return nil
}
