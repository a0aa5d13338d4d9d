// SPDX-License-Identifier: Apache-2.0

package zmqnet

import (
	"bufio"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/powerhose/powerhose/internal/endpoint"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestBindReturnsTheEndpointInUse(t *testing.T) {
	t.Parallel()
	_, bound := listen(t, tcpEndpoint(t), Options{})
	require.Regexp(t, `^tcp://127\.0\.0\.1:\d+$`, bound)
	e := ipcEndpoint(t)
	_, bound = listen(t, e, Options{})
	require.Equal(t, e.String(), bound)
}

func TestBindIPv6(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 on this machine: ", err)
	}
	require.NoError(t, l.Close())
	e, err := endpoint.ParseBind("tcp://[::1]:*")
	require.NoError(t, err)
	r, bound := listen(t, e, Options{})
	connect(t, r, bound, Options{})
}

func TestSocketFileModes(t *testing.T) {
	t.Parallel()
	e := ipcEndpoint(t)
	s, _ := listen(t, e, Options{})
	for _, path := range []string{e.Path(), e.Path() + lockSuffix} {
		fi, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), fi.Mode().Perm(), path)
	}
	text, err := os.ReadFile(e.Path() + lockSuffix)
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(os.Getpid())+"\n", string(text))

	require.NoError(t, s.Close(0))
	_, err = os.Lstat(e.Path())
	require.ErrorIs(t, err, fs.ErrNotExist)
	fi, err := os.Lstat(e.Path() + lockSuffix)
	require.NoError(t, err)
	require.Zero(t, fi.Size())
}

func TestBindCreatesThePrivateDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(filepath.Dir(ipcEndpoint(t).Path()), "new")
	e, err := endpoint.ParseBind("ipc://" + dir + "/s")
	require.NoError(t, err)
	listen(t, e, Options{})
	fi, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o700), fi.Mode().Perm())
}

func TestBindRefusesADirectoryWritableByAll(t *testing.T) {
	t.Parallel()
	e := ipcEndpoint(t)
	require.NoError(t, os.Chmod(filepath.Dir(e.Path()), 0o777))
	_, err := newRouter(t, Options{}).Bind(e)
	require.ErrorContains(t, err, "writable by everybody")
	_, err = os.Lstat(e.Path() + lockSuffix)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestSecondMasterIsRefused(t *testing.T) {
	t.Parallel()
	for name, at := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, address := listen(t, at(t), Options{})
			e, err := endpoint.ParseBind(address)
			require.NoError(t, err)
			second := newRouter(t, Options{})
			_, err = second.Bind(e)
			var inUse *InUseError
			require.ErrorAs(t, err, &inUse)
			require.Equal(t, address, inUse.Endpoint)
			if name == "ipc" {
				require.Equal(t, os.Getpid(), inUse.PID)
				require.ErrorContains(t, err, strconv.Itoa(os.Getpid()))
			}
			connect(t, r, address, Options{}) // the first one is unharmed

			require.NoError(t, r.Close(0))
			if name == "ipc" { // a tcp port is given back later
				_, err = second.Bind(e)
				require.NoError(t, err)
			}
		})
	}
}

func TestBindAfterTheMasterWasKilled(t *testing.T) {
	t.Parallel()
	e := ipcEndpoint(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"="+e.String())
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "listening", strings.TrimSpace(line))

	s := newRouter(t, Options{Probe: true})
	_, err = s.Bind(e)
	var inUse *InUseError
	require.ErrorAs(t, err, &inUse)
	require.Equal(t, cmd.Process.Pid, inUse.PID)

	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	_, err = os.Lstat(e.Path())
	require.NoError(t, err, "it left its socket behind")
	_, err = s.Bind(e)
	require.NoError(t, err)
	connect(t, s, e.String(), Options{})
}

// The lock is the kernel's word and outlives nobody, but the process that is
// being killed lets go of its lock and of its socket at different moments.
func TestBindWhileTheMasterIsDying(t *testing.T) {
	t.Parallel()
	e := ipcEndpoint(t)
	l, err := net.Listen("unix", e.Path())
	require.NoError(t, err)
	done := make(chan error, 1)
	s := newRouter(t, Options{})
	go func() {
		_, err := s.Bind(e)
		done <- err
	}()
	// Bind's look at the socket is a connection; it is not the last.
	c, err := l.Accept()
	require.NoError(t, err)
	require.NoError(t, c.Close())
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, l.Close())
	require.NoError(t, <-done)
}

func TestBindRefusesASocketInUseByOthers(t *testing.T) {
	t.Parallel()
	e := ipcEndpoint(t)
	l, err := net.Listen("unix", e.Path())
	require.NoError(t, err)
	defer l.Close()
	_, err = newRouter(t, Options{}).Bind(e)
	var inUse *InUseError
	require.ErrorAs(t, err, &inUse)
	require.Equal(t, os.Getpid(), inUse.PID)
	c, err := net.Dial("unix", e.Path())
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

func TestBindReplacesAStaleSocket(t *testing.T) {
	t.Parallel()
	e := ipcEndpoint(t)
	l, err := net.Listen("unix", e.Path())
	require.NoError(t, err)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, l.Close())
	s, address := listen(t, e, Options{})
	connect(t, s, address, Options{})
}

func TestBindLeavesOtherFilesAlone(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(path string) error{
		"file":      func(path string) error { return os.WriteFile(path, []byte("precious"), 0o600) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"symlink":   func(path string) error { return os.Symlink("/nowhere", path) },
		"fifo":      func(path string) error { return unix.Mkfifo(path, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := ipcEndpoint(t)
			require.NoError(t, make(e.Path()))
			before, err := os.Lstat(e.Path())
			require.NoError(t, err)
			s := newRouter(t, Options{})
			_, err = s.Bind(e)
			require.ErrorContains(t, err, "is not a socket")
			after, err := os.Lstat(e.Path())
			require.NoError(t, err)
			require.True(t, os.SameFile(before, after))

			// The lock was given back and the socket still works.
			require.NoError(t, os.Remove(e.Path()))
			_, err = s.Bind(e)
			require.NoError(t, err)
		})
	}
}

func TestBindRefusesAStrangeLockFile(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(path string) error{
		"symlink": func(path string) error { return os.Symlink("/nowhere", path) },
		"fifo":    func(path string) error { return unix.Mkfifo(path, 0o600) },
		"folder":  func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := ipcEndpoint(t)
			require.NoError(t, make(e.Path()+lockSuffix))
			_, err := newRouter(t, Options{}).Bind(e)
			require.Error(t, err)
			var inUse *InUseError
			require.NotErrorAs(t, err, &inUse)
		})
	}
}

func TestCloseLeavesASuccessorsSocketAlone(t *testing.T) {
	t.Parallel()
	e := ipcEndpoint(t)
	s, _ := listen(t, e, Options{})
	require.NoError(t, os.Remove(e.Path())) // by hand, against all advice
	l, err := net.Listen("unix", e.Path())
	require.NoError(t, err)
	defer l.Close()
	require.NoError(t, s.Close(0))
	_, err = os.Lstat(e.Path())
	require.NoError(t, err)
}

func TestLockFileNamesNobodyWhileUnreadable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"": 0, "12\n": 12, "x": 0, "-4": 0, "1234567890123456789012345678901234567890": 0} {
		e := ipcEndpoint(t)
		path := e.Path() + lockSuffix
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		f, err := os.Open(path)
		require.NoError(t, err)
		require.NoError(t, syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
		_, err = newRouter(t, Options{}).Bind(e)
		var inUse *InUseError
		require.ErrorAs(t, err, &inUse)
		require.Equal(t, want, inUse.PID)
		require.NoError(t, f.Close())
	}
}
