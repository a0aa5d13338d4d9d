// SPDX-License-Identifier: Apache-2.0

// Command web is a web application that burns no CPU of its own: what computes
// runs in worker processes, which it starts itself. With -demo it sends itself
// requests, kills one of its workers, and reports what came back. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/powerhose/powerhose/jobrunner"
	"github.com/powerhose/powerhose/worker"
)

func main() {
	// The workers are this same program, started again: in one of them this line
	// serves and never returns. So nothing that only the web process needs may
	// stand above it.
	worker.Main(services)

	listen := flag.String("listen", "127.0.0.1:8080", "address to serve HTTP at; port 0 is any free one")
	workers := flag.Int("workers", 2, "how many worker processes to start")
	demo := flag.Bool("demo", false, "with two workers at a free port: send requests, report, and end")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "web: unexpected argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	if err := run(*listen, *workers, *demo); err != nil {
		fmt.Fprintln(os.Stderr, "web:", err)
		os.Exit(1)
	}
}

func run(listen string, workers int, withDemo bool) error {
	cfg := jobrunner.Config{
		Workers: workers, MaxWaiting: maxWaiting, Timeout: timeout,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	if withDemo {
		// The report tells it all, and a worker that is killed is no surprise.
		listen, cfg.Workers, cfg.Logger = "127.0.0.1:0", demoWorkers, slog.New(slog.DiscardHandler)
		cfg.Env = []string{"POWERHOSE_LOG_LEVEL=error"}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // so that a second Ctrl-C does not wait for anything

	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	hose, err := jobrunner.Start(cfg)
	if err != nil {
		_ = l.Close()
		return err
	}
	a, url := &app{hose: hose, logger: cfg.Logger}, "http://"+l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- a.serve(ctx, l) }()
	if !withDemo {
		fmt.Printf("serving %s/square?n=12 and /burn?ms=20, /crash, /ping, /status\n", url)
		return <-served
	}

	d := newDemo(url, hose)
	if err = d.run(ctx); err != nil {
		stop() // otherwise the demo has sent SIGTERM to this process
	}
	if err := errors.Join(err, <-served); err != nil {
		return err
	}
	return d.close()
}

const (
	// maxWaiting is how many jobs may wait for a worker. Two workers that need
	// 20 ms for a job are through with these in two thirds of a second, which is
	// as long as somebody before a browser likes to wait; who comes later is told
	// so at once.
	maxWaiting = 64
	// timeout is for those who say nothing else. It ends what went wrong; that
	// nobody waits long is seen to by maxWaiting.
	timeout = 30 * time.Second
	// shutdownTimeout is how long requests that are being answered may take when
	// the application ends: longer than the longest job.
	shutdownTimeout = timeout + 2*time.Second
)

// app is the web application: HTTP in front, jobs behind.
type app struct {
	hose   *jobrunner.Runner
	logger *slog.Logger
}

// serve answers requests until ctx is cancelled. Then it takes no new ones,
// finishes those it has, and only then lets the workers go.
func (a *app) serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           a.routes(),
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(a.logger.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return errors.Join(err, a.hose.Close())
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	return errors.Join(server.Shutdown(grace), a.hose.Close())
}
