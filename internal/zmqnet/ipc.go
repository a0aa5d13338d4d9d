// SPDX-License-Identifier: Apache-2.0

package zmqnet

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/powerhose/powerhose/internal/endpoint"

	"golang.org/x/sys/unix"
)

const (
	lockSuffix = ".lock"
	socketMode = 0o600

	// A killed process gives back its lock a moment before its listening
	// socket; for so long a successor believes that the socket is stale.
	dyingRetries = 50
	dyingPause   = 5 * time.Millisecond
)

// ipcLock is the right to listen at an ipc path. The kernel takes it back when
// the process ends, however it ends. The lock file is never removed: whoever
// waits for its lock would then hold a lock on nothing.
type ipcLock struct {
	endpoint endpoint.Endpoint
	file     *os.File
	socket   fs.FileInfo // what listen made, nil before
	closed   func()      // to be called once libzmq was told to close the descriptor, nil before listen
}

// lockIPC prepares the directory and takes the lock, or returns *InUseError.
func lockIPC(e endpoint.Endpoint) (*ipcLock, error) {
	if err := endpoint.PrepareDir(e); err != nil {
		return nil, err
	}
	return openLock(e, os.O_CREATE)
}

func openLock(e endpoint.Endpoint, flags int) (*ipcLock, error) {
	name := e.Path() + lockSuffix
	f, err := os.OpenFile(name, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK|flags, socketMode)
	if err != nil {
		return nil, fmt.Errorf("zmqnet: lock for %q: %w", e.String(), err)
	}
	l := &ipcLock{endpoint: e, file: f}
	if err := l.acquire(); err != nil {
		f.Close()
		return nil, err
	}
	return l, nil
}

func (l *ipcLock) acquire() error {
	fi, err := l.file.Stat()
	if err != nil {
		return fmt.Errorf("zmqnet: lock for %q: %w", l.endpoint.String(), err)
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !fi.Mode().IsRegular() || !ok || int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("zmqnet: lock file %s is not a regular file of ours: remove it or choose another endpoint", l.file.Name())
	}
	for {
		err = unix.Flock(int(l.file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		return &InUseError{Endpoint: l.endpoint.String(), PID: l.holder()}
	}
	if err != nil {
		return fmt.Errorf("zmqnet: lock %s: %w", l.file.Name(), err)
	}
	return l.write(strconv.Itoa(os.Getpid()) + "\n")
}

// holder returns the pid in the lock file, 0 if there is none.
func (l *ipcLock) holder() int {
	buf := make([]byte, 32)
	n, err := l.file.ReadAt(buf, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}

// write replaces the content of the lock file.
func (l *ipcLock) write(text string) error {
	err := l.file.Truncate(0)
	if err == nil {
		_, err = l.file.WriteAt([]byte(text), 0)
	}
	if err != nil {
		return fmt.Errorf("zmqnet: write %s: %w", l.file.Name(), err)
	}
	return nil
}

// listen replaces a stale socket at the path by a fresh one and returns its
// descriptor, listening, in the state that libzmq expects.
func (l *ipcLock) listen() (int, error) {
	path := l.endpoint.Path()
	if err := l.clear(); err != nil {
		return -1, err
	}
	fd, err := unixSocket()
	if err != nil {
		return -1, fmt.Errorf("zmqnet: socket for %q: %w", l.endpoint.String(), err)
	}
	// Linux takes the mode of the new file from the socket, so it never exists
	// with another one; elsewhere Chmod does it, before anybody can connect.
	_ = unix.Fchmod(fd, socketMode)
	err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	if err != nil {
		closeFD(fd)
		return -1, fmt.Errorf("zmqnet: listen at %q: %w", l.endpoint.String(), err)
	}
	err = os.Chmod(path, socketMode)
	if err == nil {
		l.socket, err = os.Lstat(path)
	}
	if err == nil {
		l.closed, err = surviveAccept(fd)
	}
	if err == nil {
		err = unix.Listen(fd, backlog)
	}
	if err != nil {
		closeFD(fd)
		l.removeSocket()
		return -1, fmt.Errorf("zmqnet: listen at %q: %w", l.endpoint.String(), err)
	}
	return fd, nil
}

// clear removes what a dead process left at the path. It refuses to remove
// anything but a socket that nobody listens at: the lock keeps out our own kind
// only.
func (l *ipcLock) clear() error {
	path := l.endpoint.Path()
	for try := 0; ; try++ {
		fi, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("zmqnet: listen at %q: %w", l.endpoint.String(), err)
		}
		if fi.Mode()&fs.ModeSocket == 0 {
			return fmt.Errorf("zmqnet: %s exists and is not a socket: remove it or choose another endpoint", path)
		}
		pid, live := listener(path)
		if !live {
			break
		}
		if try == dyingRetries {
			return &InUseError{Endpoint: l.endpoint.String(), PID: pid}
		}
		time.Sleep(dyingPause)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("zmqnet: remove stale socket: %w", err)
	}
	return nil
}

// listener tells whether somebody listens at a unix socket, and who.
func listener(path string) (pid int, live bool) {
	fd, err := unixSocket()
	if err != nil {
		return 0, false
	}
	defer closeFD(fd)
	switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); {
	case err == nil:
		return listenerPID(fd), true
	case errors.Is(err, unix.EAGAIN): // its backlog is full
		return 0, true
	}
	return 0, false
}

// removeSocket removes the socket file if it is still the one listen made.
func (l *ipcLock) removeSocket() {
	if l.socket == nil {
		return
	}
	path := l.endpoint.Path()
	if fi, err := os.Lstat(path); err == nil && os.SameFile(fi, l.socket) {
		_ = os.Remove(path)
	}
	l.socket = nil
}

// release gives back the lock.
func (l *ipcLock) release() {
	if l.closed != nil {
		l.closed()
	}
	_ = l.file.Truncate(0) // the pid would be somebody else's one day
	l.file.Close()
}

// unixSocket returns a close-on-exec, non-blocking stream socket.
func unixSocket() (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return -1, err
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		closeFD(fd)
		return -1, err
	}
	return fd, nil
}

func closeFD(fd int) { _ = unix.Close(fd) }
