// SPDX-License-Identifier: Apache-2.0

package zmqnet

import (
	"unsafe"

	zmq "github.com/pebbe/zmq4"
)

// Sends copy the frames into libzmq and return at once; the caller may reuse
// them. They send all frames of a message or none. nil means queued here, not
// delivered. Errors: ErrAgain, ErrUnreachable (ROUTER), ErrTooLarge, ErrBroken,
// ErrClosed, or others wrapped.
//
// There is one method per number of frames, instead of a variadic one, because
// the slice of a variadic call would be allocated for every message.

// Send1 sends a message of one frame. Only for DEALERs: a ROUTER drops an id
// without a frame.
func (s *Socket) Send1(a []byte) error { return s.send(1, a, nil, nil) }

// Send2 sends a message of two frames; a ROUTER takes the first as the id of the
// peer.
func (s *Socket) Send2(a, b []byte) error { return s.send(2, a, b, nil) }

// Send3 sends a message of three frames; a ROUTER takes the first as the id of
// the peer.
func (s *Socket) Send3(a, b, c []byte) error { return s.send(3, a, b, c) }

// SendTo1 sends a message of one frame to the peer of a ROUTER with this id.
func (s *Socket) SendTo1(id string, a []byte) error {
	return s.Send2(idBytes(id), a)
}

// SendTo2 sends a message of two frames to the peer of a ROUTER with this id.
func (s *Socket) SendTo2(id string, a, b []byte) error {
	return s.Send3(idBytes(id), a, b)
}

// send sends a message of that many frames. When libzmq says that there is no
// room for it, it may just not have looked: to save time a send reads the news
// from the other threads (room was made, the peer is gone) only about once in a
// millisecond, in which a fast sender fills a queue that is in fact empty. Asking
// for events makes it look.
func (s *Socket) send(frames int, a, b, c []byte) error {
	s.guard.enter()
	defer s.guard.leave()
	if s.dead != nil {
		return s.dead
	}
	if len(a) > s.max || len(b) > s.max || len(c) > s.max {
		return ErrTooLarge
	}
	failed, err := s.native.send(frames, a, b, c)
	if failed == 1 && zmq.AsErrno(err) == errnoAgain {
		if _, err = s.native.events(); err == nil {
			failed, err = s.native.send(frames, a, b, c)
		}
	}
	switch {
	case err == nil:
		return nil
	case failed > 1:
		return s.failedInside(err, frames-failed)
	default:
		return translate("send", err)
	}
}

// failedInside handles a failure after the first frame; left more frames were
// to follow the one that failed.
//
// EAGAIN is harmless: the connection went away between two frames, and libzmq
// took the message back (lb.cpp: rollback). It still expects the frames that
// the message announced and drops them, so they are sent. (A ROUTER does not
// even tell: it drops the rest of the message and reports success.) After
// anything else nobody knows where a message begins.
func (s *Socket) failedInside(err error, left int) error {
	if zmq.AsErrno(err) == errnoAgain {
		if left == 0 {
			return ErrAgain
		}
		if _, err = s.native.send(left, nil, nil, nil); err == nil {
			return ErrAgain
		}
	}
	s.dead = ErrBroken
	return translate("send inside a message", err)
}

// idBytes views an id without copying it; libzmq only reads it.
func idBytes(id string) []byte {
	return unsafe.Slice(unsafe.StringData(id), len(id))
}
