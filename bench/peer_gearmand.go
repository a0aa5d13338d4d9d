// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"time"
)

// gearmand is Gearman's job server with libgearman's client and worker, in the
// release that Debian has.
func gearmand() *peer {
	return &peer{
		name: "gearmand", worker: "cxx", client: "cxx", needs: []string{"gearmand", "gearman"},
		about: "gearmand with libgearman's C client and worker over TCP, all callers' tasks over one connection",
		drive: func(ctx context.Context, s *site) (r measurement, err error) {
			port, err := freePort()
			if err != nil {
				return r, err
			}
			pidFile := filepath.Join(s.dir, "pid") // the default's folder may not be there
			if _, err := s.children.start(ctx, nil, filepath.Join(s.tools, "gearmand"),
				"--listen=127.0.0.1", "--port="+port, "--log-file=none", "--pid-file="+pidFile); err != nil {
				return r, err
			}
			if err := awaitPort(ctx, port); err != nil {
				return r, err
			}
			program := filepath.Join(s.tools, "gearman")
			for range s.work.Workers {
				if _, err := s.children.start(ctx, nil, program, "worker", port); err != nil {
					return r, err
				}
			}
			client, err := s.children.start(ctx, nil, program, append([]string{"client", port}, s.work.native()...)...)
			if err != nil {
				return r, err
			}
			return s.children.drive(client)
		},
	}
}

// freePort asks the kernel for a port that is free now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), l.Close()
}

func awaitPort(ctx context.Context, port string) error {
	for retry := time.NewTicker(time.Millisecond); ; {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return fmt.Errorf("port %s: %w: %v", port, ctx.Err(), err)
		}
	}
}
