// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/internal/zmqnet"
)

// ownSocket is the worker's own ROUTER in listen mode. Each registration has a
// fresh one at another endpoint, so that a job of an earlier registration cannot
// come over it.
type ownSocket struct {
	socket *zmqnet.Socket
	waiter *zmqnet.Waiter
}

// openOwn replaces the own socket, and returns the endpoint of the new one.
func (e *engine) openOwn(listen endpoint.Endpoint) (string, error) {
	e.closeOwn(0)
	if e.listening++; e.listening == 1 {
		removeStale(listen)
	}
	at, err := e.ownEndpoint(listen)
	if err != nil {
		return "", err
	}
	o := e.options()
	o.Probe = true
	s, err := zmqnet.NewRouter(o)
	if err != nil {
		return "", err
	}
	bound, err := s.Bind(at)
	if err != nil {
		_ = s.Close(0)
		return "", err
	}
	w, err := zmqnet.NewWaiter(s, nil, e.ready)
	if err != nil {
		_ = s.Close(0)
		return "", err
	}
	e.own = &ownSocket{socket: s, waiter: w}
	return bound, nil
}

// ownEndpoint is where this registration's socket listens: an ipc path gets a
// number, a tcp port is any free one.
func (e *engine) ownEndpoint(listen endpoint.Endpoint) (endpoint.Endpoint, error) {
	if !listen.IsIPC() {
		return listen, nil
	}
	return endpoint.ParseBind(numbered(listen, e.listening))
}

func numbered(listen endpoint.Endpoint, n int) string {
	return listen.String() + "." + strconv.Itoa(n)
}

// removeStale removes the sockets of a worker with the same Listen that was
// killed. Its successor takes over only the numbers that it needs itself.
func removeStale(listen endpoint.Endpoint) {
	if !listen.IsIPC() {
		return
	}
	dir, name := filepath.Split(listen.Path())
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // the bind says why
	}
	for _, entry := range entries {
		number, ok := strings.CutPrefix(entry.Name(), name+".")
		n, err := strconv.Atoi(number)
		if !ok || err != nil || n < 1 || strconv.Itoa(n) != number || entry.Type()&fs.ModeSocket == 0 {
			continue
		}
		if at, err := endpoint.ParseBind(numbered(listen, n)); err == nil {
			zmqnet.RemoveStale(at)
		}
	}
}

// checkListen refuses endpoints that cannot be another one for each
// registration, or that nobody else can connect to.
func checkListen(listen endpoint.Endpoint) error {
	if listen.IsIPC() {
		_, err := endpoint.ParseBind(numbered(listen, 1_000_000))
		return err
	}
	if !strings.HasSuffix(listen.String(), ":*") {
		return fmt.Errorf("endpoint %q: each registration needs another port: give port 0, any free one", listen.String())
	}
	if isAnyHost(listen) {
		return fmt.Errorf("endpoint %q: the master is told this address: name the one by which it reaches this machine", listen.String())
	}
	return nil
}

// closeOwn closes the own socket, in the background: whoever works the queue may
// be the very goroutine of its Waiter, which cannot wait for itself.
func (e *engine) closeOwn(linger time.Duration) {
	own := e.own
	if own == nil {
		return
	}
	e.own = nil
	own.waiter.Cancel()
	e.background.Add(1)
	go func() {
		defer e.background.Done()
		own.waiter.Stop()
		_ = own.socket.Close(linger)
	}()
}
