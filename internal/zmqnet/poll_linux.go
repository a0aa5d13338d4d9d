// SPDX-License-Identifier: Apache-2.0

package zmqnet

import (
	"time"

	"golang.org/x/sys/unix"
)

// poll is ppoll(2), whose timeout is exact to what the kernel's timers are. A
// negative one means never.
func poll(fds []unix.PollFd, timeout time.Duration) (int, error) {
	if timeout < 0 {
		return unix.Ppoll(fds, nil, nil)
	}
	left := unix.NsecToTimespec(int64(timeout))
	return unix.Ppoll(fds, &left, nil)
}

func pipe(p *[2]int) error { return unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK) }
