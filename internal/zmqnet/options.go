// SPDX-License-Identifier: Apache-2.0

package zmqnet

import (
	"fmt"
	"time"

	"github.com/powerhose/powerhose/internal/endpoint"

	zmq "github.com/pebbe/zmq4"
)

// Defaults of Options.
const (
	DefaultMaxMessage        = 64 << 20
	DefaultHeartbeatInterval = time.Second
	DefaultHeartbeatTimeout  = 3 * time.Second
	DefaultHWM               = 1000

	defaultReconnectIPC    = 20 * time.Millisecond
	defaultReconnectMaxIPC = time.Second
	defaultReconnectTCP    = 100 * time.Millisecond
	defaultReconnectMaxTCP = 2 * time.Second
)

// NoHeartbeat as Options.HeartbeatInterval turns libzmq's heartbeats off.
const NoHeartbeat time.Duration = -1

// MinMaxMessage is the smallest permitted Options.MaxMessage: libzmq applies the
// limit to its own handshake too.
const MinMaxMessage = 1024

// Fixed settings, the same for every socket.
const (
	handshakeTimeout = 3 * time.Second
	connectTimeout   = 4 * time.Second
	tcpGiveUp        = 15 * time.Second // retransmitting without an answer
	backlog          = 1024

	keepaliveIdle     = 30 // seconds
	keepaliveInterval = 10 // seconds
	keepaliveCount    = 3
)

// Options of a new socket. The zero value means defaults. Both ends of a
// connection should have the same MaxMessage.
type Options struct {
	// MaxMessage is the largest frame that is sent or received, in octets. A
	// peer that sends a larger one is disconnected. At least MinMaxMessage.
	// Defaults to DefaultMaxMessage.
	MaxMessage int64

	// HeartbeatInterval is how often libzmq itself pings the peer's libzmq, in
	// the background; it proves that process and path are alive, however busy
	// the peer is. Only on tcp. Whole milliseconds. NoHeartbeat turns it off.
	// Defaults to DefaultHeartbeatInterval.
	HeartbeatInterval time.Duration

	// HeartbeatTimeout is how long a peer may leave such a ping unanswered
	// before it is disconnected. It must exceed the time that one MaxMessage
	// takes on the slowest link. Defaults to DefaultHeartbeatTimeout.
	HeartbeatTimeout time.Duration

	// Probe makes a ROUTER send one empty message to every new connection. It is
	// sent from calls of the owner: a Waiter or Poller sees to it.
	Probe bool

	// SendHWM and RecvHWM bound libzmq's own queues, in messages, per
	// connection and direction. They must be at least twice what may legally be
	// outstanding: a full receive queue stops heartbeats and looks like death, and
	// room is given back only in steps of half a queue. Default to DefaultHWM.
	SendHWM int
	RecvHWM int

	// ReconnectInterval is a DEALER's first pause before it connects again (up
	// to as much again is added at random); it doubles up to ReconnectMax.
	// Default to 20 ms and 1 s for ipc, 100 ms and 2 s for tcp.
	ReconnectInterval time.Duration
	ReconnectMax      time.Duration
}

func (o Options) withDefaults() Options {
	if o.MaxMessage == 0 {
		o.MaxMessage = DefaultMaxMessage
	}
	if o.HeartbeatInterval == 0 {
		o.HeartbeatInterval = DefaultHeartbeatInterval
	}
	if o.HeartbeatTimeout == 0 {
		o.HeartbeatTimeout = max(DefaultHeartbeatTimeout, 3*o.HeartbeatInterval)
	}
	if o.SendHWM == 0 {
		o.SendHWM = DefaultHWM
	}
	if o.RecvHWM == 0 {
		o.RecvHWM = DefaultHWM
	}
	return o
}

func (o Options) validate() error {
	switch {
	case o.MaxMessage < MinMaxMessage:
		return fmt.Errorf("zmqnet: Options.MaxMessage is %d octets, the least is %d", o.MaxMessage, MinMaxMessage)
	case o.HeartbeatInterval != NoHeartbeat && o.HeartbeatInterval < time.Millisecond:
		return fmt.Errorf("zmqnet: Options.HeartbeatInterval is %v, the least is 1ms (or NoHeartbeat)", o.HeartbeatInterval)
	case o.HeartbeatTimeout < time.Millisecond:
		return fmt.Errorf("zmqnet: Options.HeartbeatTimeout is %v, the least is 1ms", o.HeartbeatTimeout)
	case o.SendHWM < 1 || o.RecvHWM < 1:
		return fmt.Errorf("zmqnet: Options.SendHWM and RecvHWM are %d and %d, the least is 1", o.SendHWM, o.RecvHWM)
	case o.ReconnectInterval < 0 || o.ReconnectMax < 0:
		return fmt.Errorf("zmqnet: Options.ReconnectInterval and ReconnectMax are %v and %v, they cannot be negative", o.ReconnectInterval, o.ReconnectMax)
	}
	return nil
}

// apply sets every option of a fresh socket; all of them count only for binds
// and connects that follow.
func (o Options) apply(z *zmq.Socket, kind zmq.Type) error {
	set := setter{}
	set.do("MAXMSGSIZE", z.SetMaxmsgsize(o.MaxMessage))
	set.do("SNDHWM", z.SetSndhwm(o.SendHWM))
	set.do("RCVHWM", z.SetRcvhwm(o.RecvHWM))
	set.do("LINGER", z.SetLinger(0))
	set.do("HANDSHAKE_IVL", z.SetHandshakeIvl(handshakeTimeout))
	set.do("TCP_KEEPALIVE", z.SetTcpKeepalive(1))
	set.do("TCP_KEEPALIVE_IDLE", z.SetTcpKeepaliveIdle(keepaliveIdle))
	set.do("TCP_KEEPALIVE_INTVL", z.SetTcpKeepaliveIntvl(keepaliveInterval))
	set.do("TCP_KEEPALIVE_CNT", z.SetTcpKeepaliveCnt(keepaliveCount))
	set.do("TCP_MAXRT", z.SetTcpMaxrt(tcpGiveUp))
	if kind == zmq.ROUTER {
		set.do("BACKLOG", z.SetBacklog(backlog))
		set.do("ROUTER_MANDATORY", z.SetRouterMandatory(1))
		set.do("ROUTER_HANDOVER", z.SetRouterHandover(false))
		if o.Probe {
			set.do("PROBE_ROUTER", z.SetProbeRouter(1))
		}
	} else {
		// Without IMMEDIATE, what is sent while the master is down would be
		// queued and replayed into the next one.
		set.do("IMMEDIATE", z.SetImmediate(true))
		set.do("CONNECT_TIMEOUT", z.SetConnectTimeout(connectTimeout))
	}
	return set.err
}

// applyHeartbeat sets libzmq's own heartbeats for the bind or connect that
// follows. There are none on ipc, where the kernel tells at once that a peer has
// gone; and libzmq aborts the process when a heartbeat falls due on a connection
// whose end it could not read yet because the queue in front of it is full
// (https://github.com/zeromq/libzmq/issues/4364).
func (o Options) applyHeartbeat(z *zmq.Socket, e endpoint.Endpoint) error {
	set := setter{}
	if e.IsIPC() || o.HeartbeatInterval <= 0 {
		set.do("HEARTBEAT_IVL", z.SetHeartbeatIvl(0))
		return set.err
	}
	// HEARTBEAT_TTL stays 0: the peer would enforce it against us.
	set.do("HEARTBEAT_IVL", z.SetHeartbeatIvl(o.HeartbeatInterval))
	set.do("HEARTBEAT_TIMEOUT", z.SetHeartbeatTimeout(o.HeartbeatTimeout))
	return set.err
}

// applyConnect sets what depends on the endpoint of a connect.
func (o Options) applyConnect(z *zmq.Socket, e endpoint.Endpoint) error {
	if err := o.applyHeartbeat(z, e); err != nil {
		return err
	}
	first, most := defaultReconnectIPC, defaultReconnectMaxIPC
	if e.IsTCP() {
		first, most = defaultReconnectTCP, defaultReconnectMaxTCP
	}
	if o.ReconnectInterval > 0 {
		first = o.ReconnectInterval
	}
	if o.ReconnectMax > 0 {
		most = o.ReconnectMax
	}
	set := setter{}
	set.do("RECONNECT_IVL", z.SetReconnectIvl(first))
	set.do("RECONNECT_IVL_MAX", z.SetReconnectIvlMax(max(first, most)))
	set.do("IPV6", z.SetIpv6(e.IsIPv6()))
	return set.err
}

// setter keeps the first error of a series of options.
type setter struct{ err error }

func (s *setter) do(name string, err error) {
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("zmqnet: socket option %s: %w", name, err)
	}
}
