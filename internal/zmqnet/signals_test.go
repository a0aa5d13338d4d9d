// SPDX-License-Identifier: Apache-2.0

package zmqnet

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func newSignals(t *testing.T) *Signals {
	t.Helper()
	g, err := NewSignals()
	require.NoError(t, err)
	t.Cleanup(g.Close)
	return g
}

// empty receives until there is nothing left, and returns how many there were.
func empty(t *testing.T, s *Socket) (n int) {
	t.Helper()
	var m Message
	for {
		err := s.Recv(&m, nil)
		if errors.Is(err, ErrAgain) {
			return n
		}
		require.NoError(t, err)
		n++
	}
}

func TestSignalsTellWhichSocketHasNews(t *testing.T) {
	t.Parallel()
	g := newSignals(t)
	var routers, dealers [2]*Socket
	var news [2]atomic.Bool
	for i := range routers {
		r, address := listen(t, ipcEndpoint(t), Options{})
		routers[i], dealers[i] = r, connect(t, r, address, Options{})
		require.NoError(t, g.Add(r, &news[i]))
		empty(t, r)
	}
	for i := range 100 {
		require.NoError(t, dealers[i%2].Send1([]byte{byte(i)}))
		for got := 0; got == 0; {
			require.NoError(t, g.Wait(-1))
			if news[i%2].Swap(false) {
				got = empty(t, routers[i%2])
			}
			if news[1-i%2].Swap(false) { // of the connection, at first
				require.Zero(t, empty(t, routers[1-i%2]))
			}
		}
	}
	g.Remove(&news[0])
	g.Remove(&news[0])
	news[0].Store(false)
	require.NoError(t, dealers[0].Send1([]byte("unheard")))
	require.NoError(t, dealers[1].Send1([]byte("heard")))
	for !news[1].Load() {
		require.NoError(t, g.Wait(-1))
	}
	require.False(t, news[0].Load())

	require.NoError(t, routers[0].Close(0))
	require.ErrorIs(t, g.Add(routers[0], &news[0]), ErrClosed)
}

func TestSignalsTimeouts(t *testing.T) {
	t.Parallel()
	g := newSignals(t)
	require.NoError(t, g.Wait(0))
	for _, d := range []time.Duration{1, 50 * time.Microsecond, 1100 * time.Microsecond, 5 * time.Millisecond} {
		// An interrupted wait is shorter: signals of the runtime's, now and then.
		for spent := time.Duration(0); spent < d; {
			start := time.Now()
			require.NoError(t, g.Wait(d))
			spent = time.Since(start)
		}
	}
}

// Every waker waits for its acknowledgement, so a single lost wake-up hangs.
func TestSignalsLoseNoWake(t *testing.T) {
	t.Parallel()
	const wakers, each = 8, 1000
	g := newSignals(t)
	var (
		mu      sync.Mutex
		waiting []chan struct{}
		wg      sync.WaitGroup
	)
	for range wakers {
		wg.Go(func() {
			for range each {
				c := make(chan struct{})
				mu.Lock()
				waiting = append(waiting, c)
				mu.Unlock()
				g.Wake()
				<-c
			}
		})
	}
	for acknowledged := 0; acknowledged < wakers*each; {
		require.NoError(t, g.Wait(-1))
		mu.Lock()
		for _, c := range waiting {
			close(c)
			acknowledged++
		}
		waiting = nil
		mu.Unlock()
	}
	wg.Wait()
}

func TestManyWakesAreOne(t *testing.T) {
	t.Parallel()
	g := newSignals(t)
	for range 100_000 { // more than a pipe holds
		g.Wake()
	}
	require.NoError(t, g.Wait(-1))
	require.False(t, g.pending.Load())
	g.Wake()
	require.NoError(t, g.Wait(-1))
	require.False(t, g.pending.Load())
}

func TestClosedSignals(t *testing.T) {
	t.Parallel()
	g, err := NewSignals()
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				g.Wake()
			}
		})
	}
	g.Close()
	g.Close()
	wg.Wait()
	g.Wake()
	require.ErrorIs(t, g.Wait(-1), ErrClosed)
}
