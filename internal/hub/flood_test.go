// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// TestFloodOfOneSocketDoesNotSilenceTheOther has runners send more than the
// master can read, so that the frontend is never found empty, and nothing that
// makes it answer.
func TestFloodOfOneSocketDoesNotSilenceTheOther(t *testing.T) {
	t.Parallel()
	h := startServing(t, Config{})
	good := startGoodPeers(t, h)
	var stop atomic.Bool
	var floods sync.WaitGroup
	defer floods.Wait()
	defer stop.Store(true)
	for i := range 3 {
		r := dial(t, h.Frontend())
		r.register(protocol.RoleRunner, protocol.Registration{Identity: fmt.Sprintf("flood-%d", i)})
		floods.Go(func() { flood(t, r, &stop) })
	}
	for status(t, h).Counters.Malformed == 0 {
		good.work()
	}
	var worst time.Duration
	for range 50 {
		start := time.Now()
		good.work()
		worst = max(worst, time.Since(start))
	}
	t.Logf("the slowest job took %v", worst)
}

// flood sends garbage until it is told to stop, and waits until all of it was
// read: libzmq 4.3 may abort the process if a peer is gone whose messages fill a
// queue.
func flood(t *testing.T, r *rawPeer, stop *atomic.Bool) {
	garbage := append(protocol.AppendPong(nil, protocol.RoleRunner), 1)
	send := func(frame []byte) bool {
		err := r.s.Send1(frame)
		if err != nil && !errors.Is(err, zmqnet.ErrAgain) {
			t.Error(err)
			stop.Store(true)
		}
		return err == nil
	}
	for !stop.Load() {
		send(garbage)
	}
	ping := protocol.AppendPing(nil, protocol.RoleRunner)
	for end := time.Now().Add(patience); !send(ping); {
		if err := r.poller.Wait(time.Millisecond); err != nil || time.Now().After(end) {
			t.Errorf("the master does not read: %v", err)
			return
		}
	}
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if err := r.s.Recv(&r.m, nil); err == nil {
			return // a PONG: nothing else is sent to it
		}
		if err := r.poller.Wait(time.Millisecond); err != nil {
			t.Error(err)
			return
		}
	}
	t.Error("the master does not answer")
}
