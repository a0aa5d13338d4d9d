// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	natsSubject = "jobs."
	natsGroup   = "workers"
)

// natsPeer is NATS request/reply with a queue group: a server, and workers that
// share the subject. It has no Unix sockets, so it is TCP over loopback.
func natsPeer() *peer {
	return &peer{
		name: "nats", worker: "go", client: "go",
		about: "nats-server and nats.go: request/reply over TCP, the workers a queue group",
		start: func(ctx context.Context, s *site) (target, error) {
			url, err := s.children.startRole(ctx, "nats-server", s.dir)
			if err != nil {
				return nil, err
			}
			for range s.work.Workers {
				if _, err := s.children.startRole(ctx, "nats-worker", url); err != nil {
					return nil, err
				}
			}
			conn, err := nats.Connect(url)
			if err != nil {
				return nil, err
			}
			return &natsTarget{conn}, nil
		},
	}
}

type natsTarget struct{ conn *nats.Conn }

func (t *natsTarget) call(_ context.Context, service string, payload []byte) ([]byte, error) {
	reply, err := t.conn.Request(natsSubject+service, payload, callTimeout)
	if err != nil {
		return nil, err
	}
	return reply.Data, nil
}

// callTimeout is the same as jobrunner.DefaultTimeout.
const callTimeout = 5 * time.Second

func (t *natsTarget) close() error {
	t.conn.Close()
	return nil
}

// natsServer is the nats-server program with the settings it has when it is
// started without arguments, but for the port: any free one.
func natsServer(ctx context.Context, args []string) error {
	options := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, StoreDir: args[0]}
	s, err := server.NewServer(options)
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(callTimeout) {
		return errors.New("nats-server does not get ready")
	}
	serve(ctx, s.ClientURL())
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}

func natsWorker(ctx context.Context, args []string) error {
	conn, err := nats.Connect(args[0])
	if err != nil {
		return err
	}
	defer conn.Close()
	for name, handle := range handlers {
		_, err := conn.QueueSubscribe(natsSubject+name, natsGroup, func(m *nats.Msg) {
			result, err := handle(m.Data)
			if err == nil {
				err = m.Respond(result)
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, "nats-worker:", err)
			}
		})
		if err != nil {
			return err
		}
	}
	if err := conn.Flush(); err != nil { // the server knows the subscriptions
		return err
	}
	serve(ctx, "ready")
	return nil
}
