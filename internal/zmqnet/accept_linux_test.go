// SPDX-License-Identifier: Apache-2.0

package zmqnet

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/zmqnet/libctest"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// acceptEnv makes this test binary run tryAccepts.
const acceptEnv = "ZMQNET_TEST_ACCEPT"

func init() {
	helpers[acceptEnv] = func(address string) {
		if err := tryAccepts(address); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
}

// TestNoDescriptorsLeft connects to a process until it has no descriptor left,
// which once ended it, and looks whether it serves again afterwards.
func TestNoDescriptorsLeft(t *testing.T) {
	t.Parallel()
	e := ipcEndpoint(t)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command("sh", "-c", `ulimit -n 40; exec "$0"`, self)
	cmd.Env = append(os.Environ(), helperEnv+"="+e.String())
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "listening\n", line)

	var conns []net.Conn
	for range 60 {
		c, err := net.Dial("unix", e.Path())
		require.NoError(t, err)
		conns = append(conns, c)
	}
	// The last ones are in the queue of the listener. It accepts in order, so it
	// has met them once it has greeted some of the others.
	greeting := make([]byte, 64)
	for _, c := range conns[:10] {
		_, err := c.Read(greeting)
		require.NoError(t, err)
	}
	for _, c := range conns[:50] {
		c.Close()
	}
	_, err = conns[59].Read(greeting) // accepted in the end
	require.NoError(t, err)
	for _, c := range conns[50:] {
		c.Close()
	}
	require.NoError(t, in.Close())
	require.NoError(t, cmd.Wait())
}

// TestAcceptOfOthers: what this package puts in front of accept is for its own
// listeners only.
func TestAcceptOfOthers(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), acceptEnv+"="+ipcEndpoint(t).String())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// tryAccepts accepts when there is no descriptor, from a listener of libzmq's and
// from one of another part of the program.
func tryAccepts(address string) error {
	e, err := endpoint.ParseBind(address)
	if err != nil {
		return err
	}
	lock, err := lockIPC(e)
	if err != nil {
		return err
	}
	ours, err := lock.listen()
	if err != nil {
		return err
	}
	theirs, err := unixSocket()
	if err != nil {
		return err
	}
	other := e.Path() + "2"
	if err := errors.Join(unix.Bind(theirs, &unix.SockaddrUnix{Name: other}), unix.Listen(theirs, 8)); err != nil {
		return err
	}
	expect := func(what string, fd int, want error) {
		if have := libctest.Accept(fd); !errors.Is(have, want) {
			err = errors.Join(err, fmt.Errorf("%s: %w instead of %v", what, have, want))
		}
	}
	expect("ours, nobody there", ours, syscall.EAGAIN)
	expect("theirs, nobody there", theirs, syscall.EAGAIN)
	for _, path := range []string{e.Path(), other} {
		if _, err := net.Dial("unix", path); err != nil {
			return err
		}
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: 4096}); err != nil {
		return err
	}
	expect("ours", ours, syscall.ENFILE)
	expect("theirs", theirs, syscall.EMFILE)
	lock.release()
	for range listeners.used { // by then others have taken all places
		end, eerr := surviveAccept(theirs)
		if eerr != nil {
			return eerr
		}
		end()
	}
	expect("ours, forgotten", ours, syscall.EMFILE)
	return err
}

func TestListenersHaveABound(t *testing.T) {
	fd, err := unixSocket()
	require.NoError(t, err)
	defer closeFD(fd)
	var ends []func()
	for {
		end, err := surviveAccept(fd)
		if err != nil {
			require.ErrorIs(t, err, errListeners)
			break
		}
		ends = append(ends, end)
	}
	require.GreaterOrEqual(t, len(ends), 1000)
	for _, end := range ends {
		end()
	}
	_, err = surviveAccept(-1)
	require.ErrorIs(t, err, syscall.EBADF)
}
