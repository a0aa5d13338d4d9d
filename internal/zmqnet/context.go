// SPDX-License-Identifier: Apache-2.0

package zmqnet

import (
	"fmt"
	"sync"

	zmq "github.com/pebbe/zmq4"
)

const (
	ioThreads = 1

	// maxSockets bounds the sockets of the process. libzmq's own default of
	// 1023 is little for a master that connects out to its workers, and closing
	// is asynchronous: closed sockets count for a moment longer.
	maxSockets = 8192
)

// shared is the process' one context. It is created with the first socket and
// lives until the process ends (or Shutdown, in tests): terminating contexts is
// where libzmq hangs and its crypto library is torn down under others.
var shared struct {
	mu   sync.Mutex
	ctx  *zmq.Context // nil until the first socket
	open int          // sockets given out and not closed, Pollers' included
}

// Version returns the version of libzmq in use, as "4.3.4".
func Version() string {
	major, minor, patch := zmq.Version()
	return fmt.Sprintf("%d.%d.%d", major, minor, patch)
}

// checkVersion refuses what is known to lose messages or to be exploitable.
func checkVersion(major, minor, patch int) error {
	if major == 0 {
		return fmt.Errorf("zmqnet: the libzmq found at run time does not fit the one this program was built with: install libzmq 4.3.4 or newer and build again")
	}
	if v := major*10000 + minor*100 + patch; v < 40304 {
		return fmt.Errorf("zmqnet: libzmq %d.%d.%d is too old: install 4.3.4 or newer", major, minor, patch)
	}
	return nil
}

// newSocket creates a socket in the shared context, and the context with the
// first one.
func newSocket(kind zmq.Type) (*zmq.Socket, error) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.ctx == nil {
		ctx, err := newContext()
		if err != nil {
			return nil, err
		}
		shared.ctx = ctx
	}
	z, err := shared.ctx.NewSocket(kind)
	if err != nil {
		return nil, fmt.Errorf("zmqnet: new socket (%d are open): %w", shared.open, err)
	}
	shared.open++
	return z, nil
}

func newContext() (*zmq.Context, error) {
	if err := checkVersion(zmq.Version()); err != nil {
		return nil, err
	}
	ctx, err := zmq.NewContext()
	if err != nil {
		return nil, fmt.Errorf("zmqnet: new context: %w", err)
	}
	for _, set := range []func() error{
		func() error { return ctx.SetIoThreads(ioThreads) },
		func() error { return ctx.SetMaxSockets(maxSockets) },
		func() error { return ctx.SetBlocky(false) }, // linger 0 unless told otherwise
	} {
		if err := set(); err != nil {
			_ = ctx.Term()
			return nil, fmt.Errorf("zmqnet: context option: %w", err)
		}
	}
	return ctx, nil
}

// closeSocket closes a socket that newSocket returned.
func closeSocket(z *zmq.Socket) error {
	err := z.Close()
	shared.mu.Lock()
	shared.open--
	shared.mu.Unlock()
	return err
}

// OpenSockets returns how many libzmq sockets are open in this process. A Poller
// counts as two. For leak tests and diagnostics.
func OpenSockets() int {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	return shared.open
}

// Shutdown terminates the context, and with it libzmq's threads, if no socket
// is open; it fails otherwise. The next socket starts a new one. It waits for
// sockets that are still lingering. For tests; a program just exits.
func Shutdown() error {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.open > 0 {
		return fmt.Errorf("zmqnet: %d sockets are still open", shared.open)
	}
	if shared.ctx == nil {
		return nil
	}
	ctx := shared.ctx
	shared.ctx = nil
	return ctx.Term()
}
