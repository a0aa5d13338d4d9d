// SPDX-License-Identifier: Apache-2.0

package zmqnet

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shared socket of many goroutines, as its owners use it.
type owned struct {
	mu   sync.Mutex // guards s and m
	s    *Socket
	m    Message
	got  func(m *Message) // called with mu held
	fail func(error)
}

// drain receives until nothing is readable. mu is held.
func (o *owned) drain() {
	for {
		switch err := o.s.Recv(&o.m, nil); {
		case err == nil:
			o.got(&o.m)
			continue
		case errors.Is(err, ErrAgain):
		default:
			o.fail(err)
			return
		}
		readable, err := o.s.Readable()
		if err != nil {
			o.fail(err)
			return
		}
		if !readable {
			return
		}
	}
}

func (o *owned) ready() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drain()
	return false
}

func TestWaiterLosesNoWakeUp(t *testing.T) {
	t.Parallel()
	const (
		senders  = 8
		each     = 12500
		inFlight = 200
	)
	r, address := listen(t, ipcEndpoint(t), Options{})
	d := connect(t, r, address, Options{})
	failed := make(chan error, 10)
	fail := func(err error) {
		select {
		case failed <- err:
		default:
		}
	}
	tokens := make(chan struct{}, inFlight)
	finished := make(chan struct{})
	var answered int
	server := &owned{s: r, fail: fail}
	server.got = func(m *Message) {
		if err := r.SendTo2(m.ID, m.Frames[0], m.Frames[1]); err != nil {
			fail(err)
		}
	}
	client := &owned{s: d, fail: fail, got: func(*Message) {
		<-tokens
		if answered++; answered == senders*each {
			close(finished)
		}
	}}
	server.start(t)
	client.start(t)

	quit := make(chan struct{})
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			payload := make([]byte, 8)
			for i := range each {
				select {
				case tokens <- struct{}{}:
				case <-quit:
					return
				}
				binary.BigEndian.PutUint64(payload, uint64(i))
				client.mu.Lock()
				err := d.Send2([]byte("header"), payload)
				// A send eats the edge: look, and receive what came.
				if readable, rerr := d.Readable(); rerr == nil && readable {
					client.drain()
				}
				client.mu.Unlock()
				if err != nil {
					fail(err)
				}
			}
		})
	}
	select {
	case <-finished:
	case err := <-failed:
		t.Error(err)
	case <-time.After(2 * time.Minute):
		client.mu.Lock()
		t.Errorf("stalled after %d answers", answered)
		client.mu.Unlock()
	}
	close(quit)
	wg.Wait()
}

// start gives o a Waiter for the rest of the test.
func (o *owned) start(t *testing.T) *Waiter {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	w, err := NewWaiter(o.s, nil, o.ready)
	require.NoError(t, err)
	t.Cleanup(w.Stop)
	return w
}

func TestWaiterCallsOnceAtStart(t *testing.T) {
	t.Parallel()
	r, address := listen(t, ipcEndpoint(t), Options{})
	d := connect(t, r, address, Options{})
	require.NoError(t, d.Send1([]byte("before")))
	pass(t, r, patience) // readable, and the edge is eaten
	got := make(chan string, 1)
	o := &owned{s: r, fail: func(err error) { t.Error(err) }, got: func(m *Message) { got <- string(m.Frames[0]) }}
	o.start(t)
	require.Equal(t, "before", within(t, got))
}

func TestKickCallsAgain(t *testing.T) {
	t.Parallel()
	calls := make(chan struct{}, 100)
	s := newDealer(t, Options{})
	w, err := NewWaiter(s, nil, func() bool { calls <- struct{}{}; return false })
	require.NoError(t, err)
	within(t, calls)
	for range 50 {
		w.Kick()
		within(t, calls)
	}
	w.Stop()
	w.Kick()
	w.Stop()
	w.Cancel()
}

func TestKicksAreNeverLost(t *testing.T) {
	t.Parallel()
	const kickers, each = 8, 2000
	var wanted, seen atomic.Int64
	s := newDealer(t, Options{})
	changed := make(chan struct{}, 1)
	w, err := NewWaiter(s, nil, func() bool {
		seen.Store(wanted.Load())
		select {
		case changed <- struct{}{}:
		default:
		}
		return false
	})
	require.NoError(t, err)
	defer w.Stop()
	var wg sync.WaitGroup
	for range kickers {
		wg.Go(func() {
			for range each {
				wanted.Add(1)
				w.Kick()
			}
		})
	}
	wg.Wait()
	for seen.Load() < kickers*each {
		within(t, changed)
	}
}

func TestReadyEndsTheWaiter(t *testing.T) {
	t.Parallel()
	s := newDealer(t, Options{})
	w, err := NewWaiter(s, nil, func() bool { return true })
	require.NoError(t, err)
	within(t, w.Done())
	w.Stop()
}

func TestCancelFromReady(t *testing.T) {
	t.Parallel()
	s := newDealer(t, Options{})
	handover := make(chan *Waiter, 1)
	calls := 0
	w, err := NewWaiter(s, nil, func() bool {
		calls++
		(<-handover).Cancel()
		return false
	})
	require.NoError(t, err)
	handover <- w
	within(t, w.Done())
	require.Equal(t, 1, calls)
}

func TestStopWaitsForReady(t *testing.T) {
	t.Parallel()
	s := newDealer(t, Options{})
	entered, leave := make(chan struct{}), make(chan struct{})
	var left atomic.Bool
	w, err := NewWaiter(s, nil, func() bool {
		close(entered)
		<-leave
		left.Store(true)
		return false
	})
	require.NoError(t, err)
	within(t, entered)
	go func() { close(leave) }()
	w.Stop()
	require.True(t, left.Load())
}

// within waits for a value or the end of a channel.
func within[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		require.FailNow(t, "nothing happened")
		panic("unreachable")
	}
}
