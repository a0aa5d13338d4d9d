// SPDX-License-Identifier: Apache-2.0

package zmqnet

import (
	"errors"
	"fmt"
	"time"

	"github.com/powerhose/powerhose/internal/endpoint"

	zmq "github.com/pebbe/zmq4"
)

// Socket is a ROUTER that listens or a DEALER that connects. It is not safe for
// concurrent use: see the package comment.
type Socket struct {
	guard  guard
	z      *zmq.Socket
	native *native
	kind   zmq.Type
	opt    Options
	max    int   // longest frame to send
	dead   error // nil, ErrBroken or ErrClosed

	locks []*ipcLock // of the ipc endpoints bound, in order
	onTCP bool       // bound to tcp too, where a peer could make up credentials
}

// NewRouter creates a socket that listens (see Bind) and addresses its peers by
// the ids that libzmq gives to connections: ROUTER_MANDATORY is on, handover is
// off. The first socket starts libzmq's threads.
func NewRouter(o Options) (*Socket, error) { return create(zmq.ROUTER, o) }

// NewDealer creates a socket that connects (see Connect) and talks to one peer:
// IMMEDIATE is on, so nothing is queued while there is no connection.
func NewDealer(o Options) (*Socket, error) { return create(zmq.DEALER, o) }

func create(kind zmq.Type, o Options) (*Socket, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	z, err := newSocket(kind)
	if err != nil {
		return nil, err
	}
	if err := o.apply(z, kind); err != nil {
		_ = closeSocket(z)
		return nil, err
	}
	n, err := newNative(z)
	if err != nil {
		_ = closeSocket(z)
		return nil, err
	}
	return &Socket{z: z, native: n, kind: kind, opt: o, max: int(o.MaxMessage)}, nil
}

// Bind listens at an endpoint (from endpoint.ParseBind) and returns the
// endpoint in use, with the port that was chosen if it was left open. Only for
// ROUTERs.
//
// For ipc it takes a lock (the path plus ".lock", which holds the pid of the
// owner) that dies with this process, refuses with *InUseError if another one
// has it, replaces a stale socket but nothing else, and gives the socket mode
// 0600; see endpoint.PrepareDir for what is asked of the directory.
func (s *Socket) Bind(e endpoint.Endpoint) (bound string, err error) {
	s.guard.enter()
	defer s.guard.leave()
	if s.dead != nil {
		return "", s.dead
	}
	if s.kind != zmq.ROUTER {
		return "", errors.New("zmqnet: only a ROUTER listens")
	}
	if err := s.opt.applyHeartbeat(s.z, e); err != nil {
		return "", err
	}
	if e.IsIPC() {
		return s.bindIPC(e)
	}
	if err := s.z.SetIpv6(e.IsIPv6()); err != nil {
		return "", translate("socket option IPV6", err)
	}
	if err := s.z.Bind(e.String()); err != nil {
		if zmq.AsErrno(err) == zmq.EADDRINUSE {
			return "", &InUseError{Endpoint: e.String()}
		}
		return "", fmt.Errorf("zmqnet: listen at %q: %w", e.String(), err)
	}
	s.onTCP = true
	return s.z.GetLastEndpoint()
}

// bindIPC makes the listening socket itself and hands it to libzmq, whose own
// bind would unlink whatever is at the path and succeed.
func (s *Socket) bindIPC(e endpoint.Endpoint) (string, error) {
	lock, err := lockIPC(e)
	if err != nil {
		return "", err
	}
	fd, err := lock.listen()
	if err != nil {
		lock.release()
		return "", err
	}
	err = s.z.SetUseFd(fd)
	if err == nil {
		err = s.z.Bind(e.String())
	}
	if uerr := s.z.SetUseFd(-1); err == nil && uerr != nil {
		s.dead = ErrBroken // libzmq owns fd, and would use it for the next bind
		err = uerr
	} else if err != nil {
		closeFD(fd)
	}
	if err != nil {
		lock.removeSocket()
		lock.release()
		return "", fmt.Errorf("zmqnet: listen at %q: %w", e.String(), err)
	}
	s.locks = append(s.locks, lock)
	return e.String(), nil
}

// Connect starts connecting to an endpoint (as endpoint.Parse takes it) and
// returns at once: libzmq tries for ever, in the background and in silence, even
// if the path does not exist. Connecting again to the same endpoint changes
// nothing: Disconnect first. Only for DEALERs.
func (s *Socket) Connect(address string) error {
	s.guard.enter()
	defer s.guard.leave()
	if s.dead != nil {
		return s.dead
	}
	if s.kind != zmq.DEALER {
		return errors.New("zmqnet: only a DEALER connects")
	}
	e, err := endpoint.Parse(address)
	if err != nil {
		return err
	}
	if err := s.opt.applyConnect(s.z, e); err != nil {
		return err
	}
	if err := s.z.Connect(e.String()); err != nil {
		return fmt.Errorf("zmqnet: connect to %q: %w", e.String(), err)
	}
	return nil
}

// Disconnect ends the connection to an endpoint and stops trying. Messages that
// were not received yet may be lost. Followed by Connect it revives a DEALER
// whose connection libzmq gave up after a protocol error.
func (s *Socket) Disconnect(address string) error {
	s.guard.enter()
	defer s.guard.leave()
	if s.dead != nil {
		return s.dead
	}
	e, err := endpoint.Parse(address)
	if err != nil {
		return err
	}
	if err := s.z.Disconnect(e.String()); err != nil {
		return fmt.Errorf("zmqnet: disconnect from %q: %w", e.String(), err)
	}
	return nil
}

// Readable tells whether a message can be received. It must be the last call of
// an owner with a Waiter before it gives up ownership; see the package comment.
func (s *Socket) Readable() (bool, error) {
	s.guard.enter()
	defer s.guard.leave()
	if s.dead != nil {
		return false, s.dead
	}
	events, err := s.native.events()
	if err != nil {
		return false, translate("events", err)
	}
	return events&zmq.POLLIN != 0, nil
}

// Close closes the socket. Messages already sent are delivered in the
// background for at most linger (0: dropped at once; negative counts as 0). The
// files of ipc endpoints are removed; their lock files stay. A Waiter or Poller
// must have let go of the socket before. Closing twice is harmless.
func (s *Socket) Close(linger time.Duration) error {
	s.guard.enter()
	defer s.guard.leave()
	if errors.Is(s.dead, ErrClosed) {
		return nil
	}
	if s.dead != nil {
		linger = 0
	}
	s.dead = ErrClosed
	s.native.free()
	err := s.z.SetLinger(max(linger, 0))
	if cerr := closeSocket(s.z); err == nil {
		err = cerr
	}
	for _, lock := range s.locks {
		lock.removeSocket()
		lock.release()
	}
	s.locks = nil
	if err != nil {
		return translate("close", err)
	}
	return nil
}
