// SPDX-License-Identifier: Apache-2.0

package zmqnet

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/powerhose/powerhose/internal/endpoint"

	"golang.org/x/sys/unix"
)

// RemoveStale removes the socket that a killed process of this user left at an
// ipc endpoint where it listened, and reports whether it did. It leaves alone what
// is not a socket, what was not made by Bind, and where somebody listens. Bind
// does the same for its own endpoint.
func RemoveStale(e endpoint.Endpoint) bool {
	if !e.IsIPC() || endpoint.PrepareDir(e) != nil {
		return false
	}
	lock, err := openLock(e, 0)
	if err != nil {
		return false // it was never ours, or is in use
	}
	defer lock.release()
	fi, err := os.Lstat(e.Path())
	if err != nil || fi.Mode()&fs.ModeSocket == 0 {
		return false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid() && refuses(e.Path()) && os.Remove(e.Path()) == nil
}

// refuses tells whether it is certain that nobody listens at a unix socket.
func refuses(path string) bool {
	fd, err := unixSocket()
	if err != nil {
		return false
	}
	defer closeFD(fd)
	return errors.Is(unix.Connect(fd, &unix.SockaddrUnix{Name: path}), unix.ECONNREFUSED)
}
