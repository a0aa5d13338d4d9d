// SPDX-License-Identifier: Apache-2.0

package zmqnet

import (
	"errors"
	"fmt"
	"syscall"

	zmq "github.com/pebbe/zmq4"
)

var (
	// ErrAgain: nothing to receive now, or (from a send) no connection or no
	// room in the queue to this peer. No part of the message was sent. On a
	// ROUTER it may also mean a peer that died with a full queue: receive, then
	// it becomes ErrUnreachable.
	ErrAgain = errors.New("zmqnet: try again later")

	// ErrUnreachable: a ROUTER's send found no connection with this id. It will
	// never come back under this id.
	ErrUnreachable = errors.New("zmqnet: peer is not connected")

	// ErrTooLarge: a frame is larger than Options.MaxMessage. Nothing was sent.
	ErrTooLarge = errors.New("zmqnet: frame exceeds the largest message size")

	// ErrMalformed: a received message has more than MaxFrames frames. It was read
	// to its end; the socket is in order.
	ErrMalformed = errors.New("zmqnet: malformed message")

	// ErrBroken: an earlier send or receive failed in the middle of a message,
	// so frames would be taken for parts of another one. Only Close works; the
	// owner creates a new socket.
	ErrBroken = errors.New("zmqnet: socket is broken")

	// ErrClosed: the socket, Poller or Waiter was closed, or the context ended.
	ErrClosed = errors.New("zmqnet: closed")
)

// InUseError is returned by Bind when somebody else listens at the endpoint.
type InUseError struct {
	Endpoint string
	PID      int // the process that listens there, 0 if unknown (tcp)
}

// Error implements error.
func (e *InUseError) Error() string {
	who := "another process"
	if e.PID > 0 {
		who = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("zmqnet: endpoint %q is in use by %s: stop it or choose another endpoint", e.Endpoint, who)
}

const (
	errnoAgain       = zmq.Errno(syscall.EAGAIN)
	errnoUnreachable = zmq.EHOSTUNREACH
)

// translate turns libzmq's errors into this package's. It does not allocate for
// the frequent ones.
func translate(op string, err error) error {
	switch zmq.AsErrno(err) {
	case errnoAgain:
		return ErrAgain
	case errnoUnreachable:
		return ErrUnreachable
	case zmq.ETERM:
		return ErrClosed
	}
	if errors.Is(err, zmq.ErrorSocketClosed) || errors.Is(err, zmq.ErrorContextClosed) {
		return ErrClosed
	}
	return fmt.Errorf("zmqnet: %s: %w", op, err)
}
