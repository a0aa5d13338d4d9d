// SPDX-License-Identifier: Apache-2.0

package zmqnet

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/powerhose/powerhose/internal/endpoint"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// helperEnv makes this test binary listen at the endpoint it holds until it is
// killed or its standard input ends.
const helperEnv = "ZMQNET_TEST_LISTEN"

// helpers are what this binary does instead of testing, by the variable that
// says so and holds an endpoint.
var helpers = map[string]func(address string){helperEnv: helper}

const patience = 20 * time.Second

func TestMain(m *testing.M) {
	for env, help := range helpers {
		if address := os.Getenv(env); address != "" {
			help(address)
			return
		}
	}
	code := m.Run()
	if code == 0 {
		if err := Shutdown(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func helper(address string) {
	e, err := endpoint.ParseBind(address)
	if err == nil {
		var s *Socket
		if s, err = NewRouter(Options{}); err == nil {
			_, err = s.Bind(e)
		}
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("listening")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// ipcEndpoint returns an endpoint in a folder of its own with a short name:
// t.TempDir can exceed what a unix socket allows.
func ipcEndpoint(t testing.TB) endpoint.Endpoint {
	t.Helper()
	dir, err := os.MkdirTemp("", "zn")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	e, err := endpoint.ParseBind("ipc://" + filepath.Join(dir, "s"))
	require.NoError(t, err)
	return e
}

func tcpEndpoint(t testing.TB) endpoint.Endpoint {
	t.Helper()
	e, err := endpoint.ParseBind("tcp://127.0.0.1:*")
	require.NoError(t, err)
	return e
}

// transports are the two ways to connect.
var transports = map[string]func(testing.TB) endpoint.Endpoint{
	"ipc": ipcEndpoint,
	"tcp": tcpEndpoint,
}

func newRouter(t testing.TB, o Options) *Socket {
	t.Helper()
	s, err := NewRouter(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(0)) })
	return s
}

func newDealer(t testing.TB, o Options) *Socket {
	t.Helper()
	s, err := NewDealer(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(0)) })
	return s
}

// listen returns a probing ROUTER and where it listens.
func listen(t testing.TB, e endpoint.Endpoint, o Options) (*Socket, string) {
	t.Helper()
	o.Probe = true
	s := newRouter(t, o)
	bound, err := s.Bind(e)
	require.NoError(t, err)
	return s, bound
}

// connect returns a DEALER that is connected to r: the probe has come. r must be
// polled for that, since libzmq sends it from the owner's calls.
func connect(t testing.TB, r *Socket, address string, o Options) *Socket {
	t.Helper()
	s := newDealer(t, o)
	require.NoError(t, s.Connect(address))
	awaitProbe(t, r, s)
	return s
}

func awaitProbe(t testing.TB, r, d *Socket) {
	t.Helper()
	var m Message
	require.NoError(t, tryReceive(t, &m, d, r))
	require.True(t, m.IsProbe())
}

// receive waits for a message.
func receive(t testing.TB, s *Socket, m *Message) {
	t.Helper()
	require.NoError(t, tryReceive(t, m, s))
}

// tryReceive waits for a message or an error of s; libzmq works for the others
// meanwhile.
func tryReceive(t testing.TB, m *Message, s *Socket, others ...*Socket) error {
	t.Helper()
	p, err := NewPoller()
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Close()) }()
	p.Add(s)
	for _, other := range others {
		p.Add(other)
	}
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if err := s.Recv(m, nil); !errors.Is(err, ErrAgain) {
			return err
		}
		require.NoError(t, p.Wait(time.Until(end)))
	}
	require.FailNow(t, "no message came")
	return nil
}

// pass lets libzmq work for up to d, and returns earlier if s becomes readable.
func pass(t testing.TB, s *Socket, d time.Duration) {
	t.Helper()
	p, err := NewPoller()
	require.NoError(t, err)
	p.Add(s)
	require.NoError(t, p.Wait(d))
	require.NoError(t, p.Close())
}
