// SPDX-License-Identifier: Apache-2.0

package zmqnet

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// past is a deadline that wakes a parked Waiter at once.
var past = time.Unix(1, 0)

// Waiter calls a function each time that libzmq has news for a socket. Its one
// goroutine is parked in Go's netpoller in between, so that no thread blocks.
// Its methods may be called from any goroutine, with the exception that Stop
// names.
type Waiter struct {
	file     *os.File // a duplicate of the socket's ZMQ_FD
	conn     syscall.RawConn
	ready    func() bool
	stopping atomic.Bool
	done     chan struct{}

	// For Lead. See there.
	callers *Callers // nil: nobody leads
	post    struct {
		sync.Mutex
		at       post
		moves    uint64 // how often it was lent
		expected bool   // whoever has it calls the goroutine back
	}
	relief  chan struct{} // calls the goroutine back to the post
	relieve time.Duration
	lead    func(uintptr) bool
	kick    func()
	alone   int // how many callers in a row were alone. Only in run

	// Belong to whoever the post is lent to.
	leader        Sleeper
	leaderContext context.Context
	called        bool // ready, since Lead began
}

// NewWaiter starts a goroutine that calls ready once at once, then after each
// signal of the socket, until ready returns true or Stop is called. The caller
// must own the socket during this call.
//
// ready runs in the Waiter's goroutine. It takes ownership of the socket
// (locks), receives until Readable says false, and gives up ownership. Signals
// are edges: if ready left something readable behind, nothing would ever wake
// it again. A ready that wants to be fair to others may release its lock in
// between, but must come back before it returns. When a call on the socket fails
// for good, it returns true. It must not call Stop (see there).
//
// The socket may be closed only after Stop.
func NewWaiter(s *Socket, callers *Callers, ready func() (stop bool)) (*Waiter, error) {
	fd, err := duplicateFD(s)
	if err != nil {
		return nil, err
	}
	// NewFile joins the netpoller because libzmq's descriptor is non-blocking.
	// Never call Fd or Read on the file: the one may make the descriptor that
	// we share with libzmq blocking, the other eats libzmq's signal.
	file := os.NewFile(uintptr(fd), "zmq")
	if err := file.SetReadDeadline(time.Time{}); err != nil {
		file.Close()
		return nil, fmt.Errorf("zmqnet: ZMQ_FD does not join the netpoller: %w", err)
	}
	conn, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("zmqnet: ZMQ_FD: %w", err)
	}
	w := &Waiter{
		file: file, conn: conn, ready: ready, done: make(chan struct{}),
		callers: callers, relief: make(chan struct{}, 1), relieve: relieve,
	}
	w.lead, w.kick = w.leadOnce, w.Kick // once, and not an allocation for each call
	go w.run()
	return w, nil
}

// duplicateFD duplicates the socket's ZMQ_FD: a file closes its descriptor when
// it is collected, and libzmq aborts the process when its own is gone.
func duplicateFD(s *Socket) (int, error) {
	s.guard.enter()
	defer s.guard.leave()
	if s.dead != nil {
		return -1, s.dead
	}
	zfd, err := s.z.GetFd()
	if err != nil {
		return -1, translate("socket option FD", err)
	}
	fd, err := unix.FcntlInt(uintptr(zfd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("zmqnet: duplicate ZMQ_FD: %w", err)
	}
	return fd, nil
}

// run returns when ready or Stop says so. Every round begins with a call of
// ready, so a Kick or an edge that comes between two rounds is not lost.
func (w *Waiter) run() {
	defer close(w.done)
	defer w.file.Close()
	for !w.stopping.Load() {
		vacant := false
		// The check stands inside the callback because the runtime forgets
		// earlier edges when Read begins.
		err := w.conn.Read(func(uintptr) bool {
			if w.stopping.Load() {
				return true
			}
			before := w.waiting()
			if w.ready() {
				w.stopping.Store(true)
				return true
			}
			vacant = w.leave(before)
			return vacant || w.stopping.Load()
		})
		switch {
		case vacant:
			w.rest()
		case err != nil && !w.again(err): // again cannot hide a Stop, which sets the deadline after stopping
			return
		}
	}
}

// waiting is how many callers wait.
func (w *Waiter) waiting() int64 {
	if w.callers == nil {
		return 0
	}
	return w.callers.waiting.Load()
}

// Kick makes the Waiter call ready again soon, although libzmq has not
// signalled. For an owner that found the socket readable after a send and does
// not want to receive itself. It never blocks.
func (w *Waiter) Kick() {
	_ = w.file.SetReadDeadline(past)
}

// Cancel makes the Waiter end after the call of ready in progress, if any, and
// returns at once. It may be called from anywhere, from ready too. The socket
// may be closed only when Done is closed, or after Stop.
func (w *Waiter) Cancel() {
	w.stopping.Store(true)
	w.post.Lock()
	if w.post.at == postVacant {
		w.callBack()
	}
	w.post.Unlock()
	_ = w.file.SetReadDeadline(past)
}

// Done is closed when the Waiter's goroutine has ended: no call of ready is or
// will be in progress.
func (w *Waiter) Done() <-chan struct{} { return w.done }

// Stop ends the Waiter and waits until its goroutine has ended. It must not be called from ready, nor by a goroutine that holds
// the lock that ready takes: it would wait for itself (call Cancel there, or
// let ready return true, and Stop later elsewhere). Stopping twice is harmless.
func (w *Waiter) Stop() {
	w.Cancel()
	<-w.done
}
