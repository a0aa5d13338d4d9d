// SPDX-License-Identifier: Apache-2.0

package protocol

import "time"

// Limits of version 1. A message that passes one is not sent, and is
// ErrTooLarge (or, for a number, ErrMalformed) when it arrives. Lengths are in
// octets.
const (
	// MaxServiceName bounds the name of a service: room for a reversed domain
	// and a word, short enough to compare and to print whole.
	MaxServiceName = 64

	// MaxServices bounds the services of one worker. With MaxServiceName it
	// keeps the largest REGISTER near 20 KB.
	MaxServices = 256

	// MaxCapacity bounds the jobs that one worker runs at once: more than the
	// processors of any machine a single worker process is meant for.
	MaxCapacity = 1024

	// MaxPrefetch bounds the jobs given to a worker beyond its capacity. With
	// MaxCapacity it keeps what a connection may hold below 1 280 messages.
	MaxPrefetch = 256

	// MaxBatch bounds the records of a BATCH. Throughput is flat from about 32
	// on, and a reader's bound must not depend on what a peer claims.
	MaxBatch = 256

	// MaxHeaders bounds the encoded headers of a job: room for W3C trace
	// context (traceparent 55, tracestate 512) and baggage, while a header
	// frame stays near one page of memory.
	MaxHeaders = 4096

	// MaxHeaderName is what the length octet of a header's name can say.
	MaxHeaderName = 255

	// MaxIdentity bounds the identity of a worker, a runner or a master: a host
	// name's label, a pid and a random number.
	MaxIdentity = 64

	// MaxHost bounds a host name, as the DNS does.
	MaxHost = 255

	// MaxEndpoint bounds a worker's own endpoint: "ipc://" and a socket's path
	// of 107 octets (sun_path has 108 with its NUL), longer than any
	// tcp://[address%zone]:port.
	MaxEndpoint = 6 + 107

	// MaxLedger bounds the path of a start ledger: PATH_MAX without its NUL.
	MaxLedger = 4095

	// MaxLabel bounds language and version, which are only ever shown.
	MaxLabel = 64

	// MaxErrorText bounds the text of an ERROR; a worker should keep to it in
	// the error text of a job.
	MaxErrorText = 4096

	// MaxPropertyName bounds the name of a property of REGISTER or WELCOME.
	MaxPropertyName = 64

	// MaxProperties bounds all encoded properties of a REGISTER or WELCOME:
	// 256 services (256 × 74), a ledger's path and every other property come
	// to less than 24 KB, which leaves a quarter for properties to come.
	MaxProperties = 32768

	// MaxPID is the largest process id that any system in use can give.
	MaxPID = 1<<31 - 1

	// MinMessage and MaxMessage bound max-message of WELCOME, the largest
	// frame: any REGISTER must fit, and a length is 4 octets and, in some
	// languages, signed.
	MinMessage = 65536
	MaxMessage = 1 << 30

	// MinHeartbeat and MaxHeartbeat bound heartbeat of WELCOME.
	MinHeartbeat = time.Millisecond
	MaxHeartbeat = time.Minute

	// MinLiveness and MaxLiveness bound liveness of WELCOME: with one silent
	// heartbeat alone, a late message would be a death.
	MinLiveness = 2
	MaxLiveness = 100
)

// Values that stand for an absent property.
const (
	DefaultCapacity   = 1
	DefaultHeartbeat  = time.Second
	DefaultLiveness   = 3
	DefaultMaxMessage = 1 << 20
)

// Timers of version 1 that no message carries; docs/protocol.md, "Timers".
const (
	// Patience is how long a worker or a runner goes on listening to a master
	// that says nothing.
	Patience = 5 * time.Second

	// HandshakeTimeout is how long a peer waits for WELCOME before it
	// disconnects and connects again.
	HandshakeTimeout = 3 * time.Second

	// DeadlineGrace is how long after a job's deadline its worker may take to
	// answer CANCEL before the master evicts it.
	DeadlineGrace = time.Second
)

// MaxRun is the longest measured run time that a RESULT can carry, about 71
// minutes; a longer one is sent as this.
const MaxRun = (1<<32 - 1) * time.Microsecond

// MaxRetryAfter is the longest RetryAfter that a RESULT can carry, about 49
// days; a longer one is sent as this.
const MaxRetryAfter = (1<<32 - 1) * time.Millisecond

// MaxTime is the longest time left or wait, about 292 years. What is longer on
// the wire is read as this.
const MaxTime = (1<<63 - 1) / time.Microsecond * time.Microsecond
