// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"path/filepath"
	"strconv"
)

// rawDirect is libzmq's limit: one hop, no protocol, all of it C++.
func rawDirect() *peer {
	return &peer{
		name: "raw-direct", worker: "cxx", client: "cxx", needs: []string{"raw"},
		about: "libzmq in C++: a ROUTER and its DEALERs, nothing between them",
		drive: func(ctx context.Context, s *site) (r measurement, err error) {
			raw, endpoint := filepath.Join(s.tools, "raw"), "ipc://"+filepath.Join(s.dir, "direct")
			args := append([]string{"direct", endpoint, strconv.Itoa(s.work.Workers)}, s.work.native()...)
			client, err := s.children.start(ctx, nil, raw, args...)
			if err != nil {
				return r, err
			}
			if err := s.startRawWorkers(ctx, endpoint); err != nil {
				return r, err
			}
			return s.children.drive(client)
		},
	}
}

// rawBroker is libzmq's limit with a process in the middle.
func rawBroker() *peer {
	return &peer{
		name: "raw-broker", worker: "cxx", client: "cxx", needs: []string{"raw"},
		about: "libzmq in C++: the smallest ROUTER-ROUTER broker between a DEALER and the workers",
		drive: func(ctx context.Context, s *site) (r measurement, err error) {
			front, err := s.startRawBroker(ctx)
			if err != nil {
				return r, err
			}
			client, err := s.children.start(ctx, nil, filepath.Join(s.tools, "raw"), append([]string{"client", front}, s.work.native()...)...)
			if err != nil {
				return r, err
			}
			return s.children.drive(client)
		},
	}
}

// startRawBroker starts the broker and its workers, and returns the endpoint for
// clients. They may connect before it listens.
func (s *site) startRawBroker(ctx context.Context) (frontend string, err error) {
	frontend = "ipc://" + filepath.Join(s.dir, "frontend")
	backend := "ipc://" + filepath.Join(s.dir, "backend")
	if _, err := s.children.start(ctx, nil, filepath.Join(s.tools, "raw"), "broker", frontend, backend); err != nil {
		return "", err
	}
	return frontend, s.startRawWorkers(ctx, backend)
}

func (s *site) startRawWorkers(ctx context.Context, endpoint string) error {
	for range s.work.Workers {
		if _, err := s.children.start(ctx, nil, filepath.Join(s.tools, "raw"), "worker", endpoint); err != nil {
			return err
		}
	}
	return nil
}

// native returns the work as clients in C++ want it on their command lines.
func (w work) native() []string {
	return []string{strconv.Itoa(w.Callers), strconv.Itoa(w.Payload), strconv.Itoa(w.WarmMS), strconv.Itoa(w.LengthMS)}
}
