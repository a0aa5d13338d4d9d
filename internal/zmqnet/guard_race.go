// SPDX-License-Identifier: Apache-2.0

//go:build race

package zmqnet

import "sync/atomic"

// guard panics when two goroutines are inside a socket at once. libzmq would
// corrupt its memory or abort the process some time later instead.
type guard struct{ busy atomic.Bool }

func (g *guard) enter() {
	if !g.busy.CompareAndSwap(false, true) {
		panic("zmqnet: socket used by two goroutines at once: its owner must exclude others")
	}
}

func (g *guard) leave() { g.busy.Store(false) }
