// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/powerhose/powerhose/internal/dispatch"
	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/version"
	"github.com/powerhose/powerhose/protocol"
)

// Defaults of Config.
const (
	DefaultMaxMessage = 32 << 20
	DefaultMaxWorkers = 4096
	DefaultMaxRunners = 4096
	defaultBatch      = 64
	defaultPrefetch   = 64
	leastUnread       = 256 << 20
)

// Config of a Hub. A zero field means its default.
type Config struct {
	// Frontend is where runners connect. The zero Endpoint means nowhere: then
	// the only runner is the one in this process.
	Frontend endpoint.Endpoint
	// Backend is where workers register. Required.
	Backend endpoint.Endpoint
	// Dispatch is how jobs are dispatched.
	Dispatch dispatch.Config
	// MaxMessage is the longest frame in octets, either way. Defaults to 32 MiB.
	MaxMessage int64
	// MaxWorkers and MaxRunners bound the registered peers. Default to 4096
	// and 4096.
	MaxWorkers, MaxRunners int
	// MaxUnread is how many octets may have been sent to a runner that it has
	// not read; beyond, it is lost. At least twice MaxMessage. Defaults to 256 MiB
	// or, if that is more, 8 times MaxMessage.
	MaxUnread int64
	// Batch is how many jobs go into one message at most, for peers that
	// accept batches. Defaults to 64; 1 or less turns batches off.
	Batch int
	// Prefetch bounds what a worker may be given beyond its capacity. Defaults
	// to 64; negative turns prefetch off.
	Prefetch int
	// Insecure allows connections to workers' own tcp endpoints elsewhere.
	Insecure bool
	// Logger receives what an operator should know. Defaults to none.
	Logger *slog.Logger
}

// batchBytes is how long a batch grows before it is sent, and up to which
// size a payload is copied into one at all: beyond it a frame of its own is
// cheaper than the copy.
const (
	batchBytes   = 64 << 10
	batchPayload = 8 << 10
)

// recordOverhead is more than a record has beside payload and headers, the
// longest name of a service included.
const recordOverhead = 128

func (c Config) withDefaults() Config {
	c.Dispatch = c.Dispatch.WithDefaults()
	if c.MaxMessage <= 0 {
		c.MaxMessage = DefaultMaxMessage
	}
	if c.MaxWorkers <= 0 {
		c.MaxWorkers = DefaultMaxWorkers
	}
	if c.MaxRunners <= 0 {
		c.MaxRunners = DefaultMaxRunners
	}
	if c.MaxUnread <= 0 {
		c.MaxUnread = max(leastUnread, 8*c.MaxMessage)
	}
	switch {
	case c.Batch == 0:
		c.Batch = defaultBatch
	case c.Batch < 0:
		c.Batch = 1
	}
	c.Batch = min(c.Batch, protocol.MaxBatch)
	switch {
	case c.Prefetch == 0:
		c.Prefetch = defaultPrefetch
	case c.Prefetch < 0:
		c.Prefetch = 0
	}
	c.Prefetch = min(c.Prefetch, protocol.MaxPrefetch)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	d := c.Dispatch
	switch {
	case c.MaxMessage < protocol.MinMessage || c.MaxMessage > protocol.MaxMessage:
		return fmt.Errorf("MaxMessage is %d octets, allowed are %d to %d", c.MaxMessage, protocol.MinMessage, protocol.MaxMessage)
	case c.MaxUnread < 2*c.MaxMessage:
		return fmt.Errorf("MaxUnread is %d octets, the least is %d, twice MaxMessage", c.MaxUnread, 2*c.MaxMessage)
	case d.Heartbeat < protocol.MinHeartbeat || d.Heartbeat > protocol.MaxHeartbeat:
		return fmt.Errorf("heartbeat is %v, allowed are %v to %v", d.Heartbeat, protocol.MinHeartbeat, protocol.MaxHeartbeat)
	case d.Liveness < protocol.MinLiveness || d.Liveness > protocol.MaxLiveness:
		return fmt.Errorf("liveness is %d heartbeats, allowed are %d to %d", d.Liveness, protocol.MinLiveness, protocol.MaxLiveness)
	}
	return nil
}

// newIdentity makes the identity of one start of a master: readable, and never
// the same twice.
func newIdentity() (string, error) {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d-%s", os.Getpid(), hex.EncodeToString(random[:])), nil
}

// hostName is what people see; it is cut to what the protocol can carry.
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	name = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '?'
		}
		return r
	}, name)
	return name[:min(len(name), protocol.MaxHost)]
}

// welcome is what every peer of that role is told, before its own grants.
func (h *Hub) welcome() protocol.Welcome {
	return protocol.Welcome{
		Identity: h.out.Identity, PID: h.out.PID, Host: h.out.Host, Version: version.Version,
		Heartbeat: h.cfg.Dispatch.Heartbeat, Liveness: h.cfg.Dispatch.Liveness,
		MaxMessage: h.cfg.MaxMessage,
	}
}

// reachTimeout is how long a worker's own socket may take to be reached.
const reachTimeout = 2 * time.Second
