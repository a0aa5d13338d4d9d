// SPDX-License-Identifier: Apache-2.0

package client

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/session"
	"github.com/powerhose/powerhose/internal/version"
	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// DefaultMaxMessage is the default of Config.MaxMessage, that of a master too.
const DefaultMaxMessage = 32 << 20

const (
	// queueLength is how many messages libzmq may hold for a master, either
	// way: so many that 10 000 jobs are far from the end, even one a message.
	queueLength = 1 << 15

	// linger is how long the farewell to a master may take after Close.
	linger = 200 * time.Millisecond

	// maxMasters bounds Config.Masters: each takes a socket and a goroutine.
	maxMasters = 64
)

// Config of a Client. The zero value of a field means its default.
type Config struct {
	// Masters are the frontends to connect to, in the order of preference: jobs
	// go to the first that lives. 1 to 64. Defaults to $POWERHOSE_FRONTEND, else
	// the default socket of this user.
	Masters []string
	// MaxMessage is the longest payload in octets, 64 KiB to 1 GiB; a master may
	// allow less. How long a result can be is up to the master. Defaults to
	// DefaultMaxMessage.
	MaxMessage int64
	// Insecure allows tcp endpoints that are not on this machine: nothing on
	// such a connection is encrypted or authenticated.
	Insecure bool
	// Identity is shown by the masters: 1 to 64 octets of A-Z, a-z, 0-9, '.',
	// '_', '-'. Defaults to the pid and a random number.
	Identity string
	// Logger receives what an operator should know, never a payload. Defaults
	// to none.
	Logger *slog.Logger

	queueLength int // see the constant; for tests
	fullAfter   int // see session.RunnerConfig; for tests
}

func (cfg Config) withDefaults() (Config, error) {
	if len(cfg.Masters) == 0 {
		frontend, err := endpoint.DefaultFrontend()
		if err != nil {
			return cfg, fmt.Errorf("client: default master: %w", err)
		}
		cfg.Masters = []string{frontend}
	}
	if cfg.MaxMessage == 0 {
		cfg.MaxMessage = DefaultMaxMessage
	}
	if cfg.Identity == "" {
		var nonce [6]byte
		rand.Read(nonce[:])
		cfg.Identity = strconv.Itoa(os.Getpid()) + "-" + hex.EncodeToString(nonce[:])
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.queueLength == 0 {
		cfg.queueLength = queueLength
	}
	if cfg.fullAfter == 0 {
		cfg.fullAfter = cfg.queueLength / 4
	}
	return cfg, nil
}

// endpoints validates the masters.
func (cfg Config) endpoints() ([]endpoint.Endpoint, error) {
	if len(cfg.Masters) > maxMasters {
		return nil, fmt.Errorf("client: Config.Masters has %d endpoints, at most %d are allowed", len(cfg.Masters), maxMasters)
	}
	seen := map[endpoint.Endpoint]bool{}
	var out []endpoint.Endpoint
	for _, s := range cfg.Masters {
		e, err := endpoint.Parse(s)
		if err == nil {
			err = endpoint.CheckInsecure(e, cfg.Insecure)
		}
		if err == nil && seen[e] {
			err = errors.New("there twice: remove one")
		}
		if err != nil {
			return nil, fmt.Errorf("client: master %q: %w", s, err)
		}
		seen[e] = true
		out = append(out, e)
	}
	return out, nil
}

// socketOptions do not limit what a master may send: libzmq would never
// reconnect to one that sends more.
func (cfg Config) socketOptions() zmqnet.Options {
	return zmqnet.Options{MaxMessage: protocol.MaxMessage, SendHWM: cfg.queueLength, RecvHWM: cfg.queueLength}
}

func (cfg Config) session() session.RunnerConfig {
	return session.RunnerConfig{
		Masters: len(cfg.Masters), MaxPayload: cfg.MaxMessage, FullAfter: cfg.fullAfter,
	}
}

// register returns the REGISTER that every master gets.
func (cfg Config) register() ([]byte, error) {
	if cfg.MaxMessage < protocol.MinMessage || cfg.MaxMessage > protocol.MaxMessage {
		return nil, fmt.Errorf("client: Config.MaxMessage is %d octets, allowed are %d to %d", cfg.MaxMessage, protocol.MinMessage, protocol.MaxMessage)
	}
	reg := protocol.Registration{
		Identity: cfg.Identity, Batch: protocol.MaxBatch,
		PID: os.Getpid(), Host: hostname(), Language: "go", LibraryVersion: version.Version,
	}
	frame, err := protocol.AppendRegister(nil, protocol.RoleRunner, reg)
	if err != nil {
		return nil, fmt.Errorf("client: Config.Identity %q: %w", cfg.Identity, err)
	}
	return frame, nil
}

// hostname is only ever shown, so what the protocol cannot carry is left out.
func hostname() string {
	name, err := os.Hostname()
	if err != nil || len(name) > protocol.MaxHost {
		return ""
	}
	for i := range len(name) {
		if name[i] < 0x20 || name[i] > 0x7e {
			return ""
		}
	}
	return name
}
