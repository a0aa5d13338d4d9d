// SPDX-License-Identifier: Apache-2.0

package client

import "golang.org/x/sys/unix"

// listenerPID returns the process that listens at a unix socket, as the kernel
// recorded it when it began to; 0 if that cannot be told. It connects for a
// moment, which means nothing to a ROUTER, and never blocks.
func listenerPID(path string) int {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return 0
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return 0
	}
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0
	}
	return int(cred.Pid)
}
