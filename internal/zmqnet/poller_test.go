// SPDX-License-Identifier: Apache-2.0

package zmqnet

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func newPoller(t *testing.T) *Poller {
	t.Helper()
	p, err := NewPoller()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func TestPollerWaitsForAnySocket(t *testing.T) {
	t.Parallel()
	p := newPoller(t)
	var routers, dealers [2]*Socket
	for i := range routers {
		r, address := listen(t, ipcEndpoint(t), Options{})
		routers[i], dealers[i] = r, connect(t, r, address, Options{})
		p.Add(r)
	}
	var m Message
	for i := range 20 {
		require.NoError(t, dealers[i%2].Send1([]byte{byte(i)}))
		require.NoError(t, p.Wait(-1))
		require.NoError(t, routers[i%2].Recv(&m, nil))
		require.Equal(t, []byte{byte(i)}, m.Frames[0])
	}
	p.Remove(routers[0])
	p.Remove(routers[0])
	require.NoError(t, dealers[0].Send1([]byte("unheard")))
	require.NoError(t, dealers[1].Send1([]byte("heard")))
	require.NoError(t, p.Wait(-1))
	require.NoError(t, routers[1].Recv(&m, nil))
}

func TestPollerTimeouts(t *testing.T) {
	t.Parallel()
	p := newPoller(t)
	require.NoError(t, p.Wait(0))
	for _, d := range []time.Duration{1, 900 * time.Microsecond, 1100 * time.Microsecond, 5 * time.Millisecond} {
		start := time.Now()
		require.NoError(t, p.Wait(d))
		require.GreaterOrEqual(t, time.Since(start), d)
	}
	require.Equal(t, time.Millisecond, roundUp(1))
	require.Equal(t, time.Millisecond, roundUp(time.Millisecond))
	require.Equal(t, 2*time.Millisecond, roundUp(time.Millisecond+1))
	require.Positive(t, roundUp(1<<63-1-time.Millisecond))
}

// Every waker waits for its acknowledgement, so a single lost wake-up hangs.
func TestNoWakeIsLost(t *testing.T) {
	t.Parallel()
	const wakers, each = 8, 1000
	p := newPoller(t)
	var (
		mu      sync.Mutex
		waiting []chan struct{}
	)
	quit := make(chan struct{})
	defer time.AfterFunc(2*time.Minute, func() { close(quit) }).Stop()
	var acknowledged atomic.Int64
	var wg sync.WaitGroup
	for range wakers {
		wg.Go(func() {
			for range each {
				c := make(chan struct{})
				mu.Lock()
				waiting = append(waiting, c)
				mu.Unlock()
				p.Wake()
				select {
				case <-c:
				case <-quit:
					return
				}
			}
		})
	}
	stalled := false
	for acknowledged.Load() < wakers*each && !stalled {
		start := time.Now()
		require.NoError(t, p.Wait(30*time.Second))
		stalled = time.Since(start) > 20*time.Second
		mu.Lock()
		for _, c := range waiting {
			close(c)
			acknowledged.Add(1)
		}
		waiting = nil
		mu.Unlock()
	}
	require.False(t, stalled, "a wake-up was lost")
	wg.Wait()
}

func TestManyWakesCostOneMessage(t *testing.T) {
	t.Parallel()
	p := newPoller(t)
	for range 10000 {
		p.Wake()
	}
	require.NoError(t, p.Wait(-1))
	start := time.Now()
	require.NoError(t, p.Wait(2*time.Millisecond))
	require.GreaterOrEqual(t, time.Since(start), 2*time.Millisecond)
	p.Wake()
	require.NoError(t, p.Wait(-1))
}

func TestClosedPoller(t *testing.T) {
	t.Parallel()
	p, err := NewPoller()
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				p.Wake()
			}
		})
	}
	require.NoError(t, p.Close())
	require.NoError(t, p.Close())
	wg.Wait()
	p.Wake()
	require.ErrorIs(t, p.Wait(-1), ErrClosed)
}
