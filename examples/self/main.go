// SPDX-License-Identifier: Apache-2.0

// Command self is a web application that is its own worker: one program, one
// file to deploy. Started by hand it serves HTTP, and starts itself again, once
// for each CPU; the copies do the work.
//
//	$ make build
//	$ bin/examples/self &
//	serving http://127.0.0.1:8080
//	$ curl 'http://127.0.0.1:8080/square?n=12'
//	144
//	$ curl -d password=secret http://127.0.0.1:8080/hash
//	$pbkdf2-sha512$210000$qH7…
//	$ kill %1
//
// It is the shortest useful program of its kind. What each error means for an
// HTTP client, and how to end without failing a request, is shown by ../web.
package main

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/powerhose/powerhose/jobrunner"
	"github.com/powerhose/powerhose/worker"
)

func main() {
	// In a copy this serves and never returns; here it returns at once. So it
	// comes before everything that a worker has no use for: flags, ports, files.
	worker.Main(worker.Services{"square": worker.Text(square), "hash": worker.Text(hash)})

	listen := flag.String("listen", "127.0.0.1:8080", "address to serve HTTP at")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, *listen); err != nil {
		log.Fatal(err)
	}
}

func serve(ctx context.Context, listen string) error {
	hose, err := jobrunner.Start(jobrunner.Config{Timeout: 30 * time.Second})
	if err != nil {
		return err
	}
	defer hose.Close()

	// The service has the name of the path, its payload is one form value.
	job := func(service, value string) {
		http.HandleFunc("/"+service, func(w http.ResponseWriter, r *http.Request) {
			answer, err := hose.Execute(r.Context(), service, r.FormValue(value))
			switch {
			case errors.Is(err, jobrunner.ErrJob): // the handler's own words
				http.Error(w, err.Error(), http.StatusBadRequest)
			case err != nil:
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
			default:
				fmt.Fprintln(w, answer)
			}
		})
	}
	job("square", "n")
	job("hash", "password")

	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Printf("serving http://%s\n", l.Addr())
	server := &http.Server{}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return server.Shutdown(context.Background())
	}
}

func square(_ context.Context, n string) (string, error) {
	i, err := strconv.ParseInt(n, 10, 32)
	if err != nil {
		return "", fmt.Errorf("%q is not a whole number of 32 bits", n)
	}
	return strconv.FormatInt(i*i, 10), nil
}

// hash keeps a CPU busy for a tenth of a second or so, as a hash for passwords
// must. A few of these at once as goroutines of the web process, and every other
// request would wait for them.
func hash(_ context.Context, password string) (string, error) {
	const iterations = 210_000
	if password == "" {
		return "", errors.New("no password")
	}
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	key, err := pbkdf2.Key(sha512.New, password, salt, iterations, sha512.Size)
	if err != nil {
		return "", err
	}
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$pbkdf2-sha512$%d$%s$%s", iterations, b64.EncodeToString(salt), b64.EncodeToString(key)), nil
}
