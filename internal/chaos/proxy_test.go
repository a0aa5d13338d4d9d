// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const patience = 30 * time.Second

// connected is a connection through a proxy, and its other end.
func connected(t *testing.T) (p *proxy, near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	p, err = newProxy(l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(p.close)
	near, err = net.Dial("tcp", p.listener.Addr().String())
	require.NoError(t, err)
	far, err = l.Accept()
	require.NoError(t, err)
	for _, c := range []net.Conn{near, far} {
		t.Cleanup(func() { c.Close() })
		require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	}
	return p, near, far
}

func carries(t *testing.T, from, to net.Conn, text string) {
	t.Helper()
	_, err := from.Write([]byte(text))
	require.NoError(t, err)
	got := make([]byte, len(text))
	_, err = io.ReadFull(to, got)
	require.NoError(t, err)
	require.Equal(t, text, string(got))
}

func TestProxyHoldsBackOneWay(t *testing.T) {
	t.Parallel()
	p, near, far := connected(t)
	carries(t, near, far, "to the master")
	carries(t, far, near, "from the master")
	p.set(link{up: true})
	_, err := near.Write([]byte("held back"))
	require.NoError(t, err)
	carries(t, far, near, "the other way is open")
	require.NoError(t, far.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	_, err = far.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, far.SetReadDeadline(time.Now().Add(patience)))
	p.set(link{})
	got := make([]byte, len("held back"))
	_, err = io.ReadFull(far, got)
	require.NoError(t, err)
	require.Equal(t, "held back", string(got))
}

func TestProxyDelaysAndKeepsTheOrder(t *testing.T) {
	t.Parallel()
	p, near, far := connected(t)
	p.set(link{delay: 20 * time.Millisecond})
	start := time.Now()
	carries(t, near, far, "one two three")
	require.GreaterOrEqual(t, time.Since(start), 20*time.Millisecond)
}

func TestProxyResets(t *testing.T) {
	t.Parallel()
	p, near, far := connected(t)
	carries(t, near, far, "x")
	p.reset()
	for _, c := range []net.Conn{near, far} {
		_, err := c.Read(make([]byte, 1))
		require.Error(t, err)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	}
}
