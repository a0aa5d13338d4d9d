// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/protocol"
)

// Defaults of Config.
const (
	DefaultPatience     = protocol.Patience
	DefaultDrainTimeout = 30 * time.Second
	DefaultPrefetch     = 64
)

// Config of a Worker. Only Services is required; a zero field means its default.
type Config struct {
	// Services that this worker offers. Required.
	Services Services

	// Backend is the endpoint of the master where workers register, as
	// ipc:///absolute/path or tcp://host:port. Defaults to $POWERHOSE_BACKEND,
	// else backend.sock in this user's runtime directory.
	Backend string

	// Capacity is how many jobs run at once, 1 to 1024. Defaults to 1, which is
	// right for handlers that compute: start more processes instead.
	Capacity int

	// Prefetch is how many jobs the worker may be handed beyond its capacity, 1
	// to 256, so that the next one is there when a short one ends. Negative
	// means none. A worker that dies takes what it was handed with it, unless
	// master and worker share a start ledger. Defaults to DefaultPrefetch where
	// they do (Backend is ipc, no Listen), else to none.
	Prefetch int

	// Listen makes the worker listen at an endpoint of its own, to which the
	// master connects and sends the jobs; everything else goes over the
	// connection to Backend. Each registration needs another endpoint: an ipc
	// path gets a number at its end (".1", ".2", …), and a tcp port must be 0,
	// any free one. Defaults to "": jobs come over the connection to Backend.
	Listen string

	// Patience is how long the worker tries to reach a silent master, through
	// several reconnects, before Run returns ErrMasterGone. It is never less
	// than two heartbeats more than what makes a master count as silent. At
	// least 100 ms. Defaults to DefaultPatience.
	Patience time.Duration

	// DrainTimeout is how long the jobs in hand may take after Run's context
	// was cancelled. Then handlers are cancelled and abandoned. At least 1 ms.
	// Defaults to DefaultDrainTimeout.
	DrainTimeout time.Duration

	// Identity names this start of this process in logs: 1 to 64 octets of A-Z,
	// a-z, 0-9, '.', '_' and '-'. A master ends the registration of an earlier
	// worker of the same identity. Defaults to host, pid and a random number.
	Identity string

	// MaxMessage is the longest frame in octets, and so the largest payload,
	// that is received: 65536 to 1 GiB. If the master sends a longer one the
	// connection is lost, so it must not be less than the master's own limit,
	// which also bounds results. Defaults to 1 GiB: the master's limit decides.
	MaxMessage int64

	// Insecure allows tcp endpoints on other machines, although nothing on the
	// way is encrypted or authenticated.
	Insecure bool

	// Logger receives what an operator should know; never a payload. Defaults
	// to silence.
	Logger *slog.Logger
}

const (
	minPatience = 100 * time.Millisecond
	minDrain    = time.Millisecond
)

// withDefaults returns a copy in which every zero field but Services and
// Prefetch has its default; Prefetch is settled at registration.
func (c Config) withDefaults() (Config, error) {
	if c.Backend == "" {
		backend, err := endpoint.DefaultBackend()
		if err != nil {
			return c, fmt.Errorf("worker: Config.Backend has no default: %w", err)
		}
		c.Backend = backend
	}
	if c.Capacity == 0 {
		c.Capacity = protocol.DefaultCapacity
	}
	if c.Patience == 0 {
		c.Patience = DefaultPatience
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = DefaultDrainTimeout
	}
	if c.MaxMessage == 0 {
		c.MaxMessage = protocol.MaxMessage
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Identity == "" {
		identity, err := newIdentity()
		if err != nil {
			return c, fmt.Errorf("worker: Config.Identity has no default: %w", err)
		}
		c.Identity = identity
	}
	return c, nil
}

func (c Config) validate() error {
	switch {
	case c.Capacity < 1 || c.Capacity > protocol.MaxCapacity:
		return fmt.Errorf("worker: Config.Capacity is %d: allowed are 1 to %d", c.Capacity, protocol.MaxCapacity)
	case c.Prefetch > protocol.MaxPrefetch:
		return fmt.Errorf("worker: Config.Prefetch is %d: allowed are up to %d", c.Prefetch, protocol.MaxPrefetch)
	case c.Patience < minPatience:
		return fmt.Errorf("worker: Config.Patience is %v: the least is %v", c.Patience, minPatience)
	case c.DrainTimeout < minDrain:
		return fmt.Errorf("worker: Config.DrainTimeout is %v: the least is %v", c.DrainTimeout, minDrain)
	case c.MaxMessage < protocol.MinMessage || c.MaxMessage > protocol.MaxMessage:
		return fmt.Errorf("worker: Config.MaxMessage is %d: allowed are %d to %d", c.MaxMessage, protocol.MinMessage, protocol.MaxMessage)
	}
	if err := c.Services.validate(); err != nil {
		return err
	}
	if err := (protocol.Registration{Identity: c.Identity}).Check(protocol.RoleWorker); err != nil {
		return fmt.Errorf("worker: Config.Identity: %w", err)
	}
	return nil
}

func (s Services) validate() error {
	if len(s) == 0 {
		return errors.New("worker: Config.Services is empty: a worker needs a handler")
	}
	if len(s) > protocol.MaxServices {
		return fmt.Errorf("worker: Config.Services has %d services: allowed are %d", len(s), protocol.MaxServices)
	}
	for name, handler := range s {
		if err := protocol.CheckService(name); err != nil {
			return fmt.Errorf("worker: Config.Services has the name %q: %w", name, err)
		}
		if handler == nil {
			return fmt.Errorf("worker: Config.Services has no handler for %q: it is nil", name)
		}
	}
	return nil
}

// names returns the services in alphabetical order.
func (s Services) names() []string {
	names := make([]string, 0, len(s))
	for name := range s {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// endpoints parses and checks Backend and Listen; listen is the zero Endpoint
// without it.
func (c Config) endpoints() (backend, listen endpoint.Endpoint, err error) {
	backend, err = endpoint.Parse(c.Backend)
	if err == nil {
		err = endpoint.CheckInsecure(backend, c.Insecure)
	}
	if err != nil {
		return backend, listen, fmt.Errorf("worker: Config.Backend: %w", err)
	}
	if c.Listen == "" {
		return backend, listen, nil
	}
	listen, err = endpoint.ParseBind(c.Listen)
	if err == nil {
		err = endpoint.CheckInsecure(listen, c.Insecure)
	}
	if err == nil {
		err = checkListen(listen)
	}
	if err != nil {
		return backend, listen, fmt.Errorf("worker: Config.Listen: %w", err)
	}
	return backend, listen, nil
}

// isAnyHost tells whether a tcp endpoint is every address of this machine, which
// is nothing that somebody else could connect to.
func isAnyHost(e endpoint.Endpoint) bool {
	host, ok := strings.CutPrefix(e.String(), "tcp://")
	if !ok {
		return false
	}
	host = strings.Trim(host[:strings.LastIndexByte(host, ':')], "[]")
	a, err := netip.ParseAddr(host)
	return host == "*" || err == nil && a.Unmap().IsUnspecified()
}

// newIdentity makes a name that is readable and never the same twice.
func newIdentity() (string, error) {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", err
	}
	host := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, strings.SplitN(hostName(), ".", 2)[0])
	if host == "" {
		host = "worker"
	}
	const most = protocol.MaxIdentity - len("-4294967295-") - 2*len(random)
	return fmt.Sprintf("%s-%d-%s", host[:min(len(host), most)], os.Getpid(), hex.EncodeToString(random[:])), nil
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
