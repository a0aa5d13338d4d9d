// SPDX-License-Identifier: Apache-2.0

package zmqnet

import (
	"strconv"
	"strings"
	"unsafe"

	zmq "github.com/pebbe/zmq4"
)

// MaxFrames is how many frames a received message may have, not counting the id
// that a ROUTER puts in front.
const MaxFrames = 3

// Message is a received message. One Message should be used for many Recv
// calls. It must not be copied: Frames points into it.
type Message struct {
	// ID is the connection it came from, on a ROUTER: 5 octets made up by
	// libzmq, unique per connection (unless the peer chose one itself, which
	// ours never do). It shares memory with the frames: who keeps it for long
	// clones it.
	ID string

	// Frames are the frames after the id. The array behind Frames is used again
	// by the next Recv; the frames themselves are the receiver's to keep. Those
	// of a small message share their memory.
	Frames [][]byte

	// Peer is who sent it, if Recv was asked to find out.
	Peer PeerCred

	frames [MaxFrames][]byte
}

// PeerCred are the credentials of a process on this machine, as the kernel
// recorded them when it connected.
type PeerCred struct {
	UID, GID int
	PID      int  // 0 if it lives in a container that we cannot look into
	OK       bool // false on tcp, or if not asked for
}

// Recv receives one message into m, or returns ErrAgain if there is none.
//
// On a ROUTER, if identify is not nil and returns true for the id of the
// message, Recv also finds out who the peer is (m.Peer); that costs a few
// allocations, so ask once per connection. identify must not touch the socket.
//
// ErrMalformed means that the message had too many frames; m.ID is set, the
// message is gone and the socket in order. Other errors as for sends.
func (s *Socket) Recv(m *Message, identify func(id string) bool) error {
	s.guard.enter()
	defer s.guard.leave()
	if s.dead != nil {
		return s.dead
	}
	m.ID, m.Peer = "", PeerCred{}
	m.frames = [MaxFrames][]byte{}
	m.Frames = m.frames[:0]

	n, err := s.native.receive()
	if n <= 0 {
		return s.notReceived(n, err)
	}
	var parts [1 + MaxFrames][]byte
	frames := parts[:s.native.take(parts[:])]
	if s.kind == zmq.ROUTER {
		// Nobody else has this slice: make it the string instead of copying.
		m.ID = unsafe.String(unsafe.SliceData(frames[0]), len(frames[0]))
		n, frames = n-1, frames[1:]
		if identify != nil && identify(m.ID) && !s.onTCP {
			m.Peer = parsePeer(s.native.peerAddress(1)) // the id itself does not carry it
		}
	}
	if s.native.large() {
		s.native.release()
	}
	if n > MaxFrames {
		return ErrMalformed
	}
	m.Frames = m.frames[:copy(m.frames[:], frames)]
	return nil
}

// notReceived handles a failure. One inside a message, which libzmq hands over
// only when it is complete, is the end: whatever comes next would be taken for
// the wrong frame.
func (s *Socket) notReceived(n int, err error) error {
	if n < 0 {
		s.dead = ErrBroken
		return translate("receive inside a message", err)
	}
	return translate("receive", err)
}

// parsePeer reads what libzmq makes of SO_PEERCRED: localhost:uid:gid:pid.
func parsePeer(address string) PeerCred {
	rest, ok := strings.CutPrefix(address, "localhost:")
	if !ok {
		return PeerCred{}
	}
	var n [3]int
	for i := range n {
		field, tail, _ := strings.Cut(rest, ":")
		v, err := strconv.ParseUint(field, 10, 32)
		if err != nil {
			return PeerCred{}
		}
		n[i], rest = int(v), tail
	}
	if rest != "" {
		return PeerCred{}
	}
	return PeerCred{UID: n[0], GID: n[1], PID: n[2], OK: true}
}

// IsProbe tells whether the message is one empty frame, which a ROUTER with
// Options.Probe sends to every new connection.
func (m *Message) IsProbe() bool {
	return len(m.Frames) == 1 && len(m.Frames[0]) == 0
}
