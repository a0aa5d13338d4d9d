// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/powerhose/powerhose/jobrunner"
)

const (
	webPassword = "correct horse battery staple"
	// loginTime is how long a login may take.
	loginTime = time.Second
)

// compare is what a login computes: payload is the hash, a blank, the password.
func compare(payload []byte) ([]byte, error) {
	hash, password, _ := bytes.Cut(payload, []byte{' '})
	if err := bcrypt.CompareHashAndPassword(hash, password); err != nil {
		return nil, err
	}
	return []byte("welcome"), nil
}

// login has a payload compared, in one of three ways.
type login func(ctx context.Context, payload []byte) ([]byte, error)

// webApp is a web process with two pages: /login and /ping.
func webApp(ctx context.Context, args []string) error {
	cost, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(webPassword), cost)
	if err != nil {
		return err
	}
	do, stop, err := loginBy(ctx, args[0])
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ping", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "pong") })
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		password, err := io.ReadAll(io.LimitReader(r.Body, 1024))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), loginTime)
		defer cancel()
		answer, err := do(ctx, fmt.Appendf(nil, "%s %s", hash, password))
		switch {
		case errors.Is(err, jobrunner.ErrJob), errors.Is(err, bcrypt.ErrMismatchedHashAndPassword):
			http.Error(w, err.Error(), http.StatusForbidden)
		case errors.Is(err, jobrunner.ErrTimedOutRunning), errors.Is(err, jobrunner.ErrWorkerLost):
			http.Error(w, err.Error(), http.StatusGatewayTimeout)
		case err != nil:
			w.Header().Set("Retry-After", "1")
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		default:
			_, _ = w.Write(answer)
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, stop())
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	serve(ctx, l.Addr().String())
	err = server.Close()
	if e := <-failed; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return errors.Join(err, stop())
}

// loginBy returns the way that is asked for, and what ends it.
func loginBy(ctx context.Context, way string) (do login, stop func() error, err error) {
	nothing := func() error { return nil }
	switch way {
	case "in-process":
		return func(_ context.Context, payload []byte) ([]byte, error) { return compare(payload) }, nothing, nil
	case "semaphore":
		permits := make(chan struct{}, runtime.GOMAXPROCS(0))
		return func(ctx context.Context, payload []byte) ([]byte, error) {
			select {
			case permits <- struct{}{}:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			defer func() { <-permits }()
			return compare(payload)
		}, nothing, nil
	case "powerhose-embedded":
		runner, err := jobrunner.Start(jobrunner.Config{Workers: webWorkers})
		if err != nil {
			return nil, nil, err
		}
		if err := (&hose{runner}).awaitWorkers(ctx, webWorkers); err != nil {
			return nil, nil, errors.Join(err, runner.Close())
		}
		return func(ctx context.Context, payload []byte) ([]byte, error) {
			return runner.ExecuteBytes(ctx, "bcrypt", payload)
		}, runner.Close, nil
	}
	return nil, nil, fmt.Errorf("a login cannot run %q", way)
}
