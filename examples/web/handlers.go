// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/powerhose/powerhose/jobrunner"
)

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ping", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "pong") })
	mux.HandleFunc("GET /square", func(w http.ResponseWriter, r *http.Request) { a.job(w, r, "square", "n") })
	mux.HandleFunc("GET /burn", func(w http.ResponseWriter, r *http.Request) { a.job(w, r, "burn", "ms") })
	mux.HandleFunc("GET /crash", func(w http.ResponseWriter, r *http.Request) { a.do(w, r, jobrunner.Job{Service: "crash"}) })
	mux.HandleFunc("GET /status", a.status)
	return mux
}

// maxValue bounds what a client can make a job of: squaring a number takes longer
// than its length.
const maxValue = 1000

// job answers a request by executing a job: the service is named by the path, the
// payload is one query parameter. The parameter "timeout", in milliseconds, says
// how long the client wants to wait.
func (a *app) job(w http.ResponseWriter, r *http.Request, service, parameter string) {
	value := r.FormValue(parameter)
	if value == "" || len(value) > maxValue {
		http.Error(w, fmt.Sprintf("give %s, 1 to %d characters", parameter, maxValue), http.StatusBadRequest)
		return
	}
	patience := timeout
	if s := r.FormValue("timeout"); s != "" {
		ms, err := strconv.Atoi(s)
		if err != nil || ms < 1 || ms > int(timeout.Milliseconds()) {
			http.Error(w, fmt.Sprintf("timeout: 1 to %d milliseconds", timeout.Milliseconds()), http.StatusBadRequest)
			return
		}
		patience = time.Duration(ms) * time.Millisecond
	}
	a.do(w, r, jobrunner.Job{Service: service, Payload: []byte(value), Timeout: patience})
}

func (a *app) do(w http.ResponseWriter, r *http.Request, job jobrunner.Job) {
	// The request's context ends when the client hangs up. Then a job that waits
	// is never started, and one that runs is told to stop.
	answer, err := a.hose.Do(r.Context(), job)
	if err != nil {
		a.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintf(w, "%s\n", answer)
}

// fail translates what became of a job into HTTP: whose fault it was, and whether
// and when it makes sense to try again.
func (a *app) fail(w http.ResponseWriter, err error) {
	var e *jobrunner.Error
	if !errors.As(err, &e) {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	status := http.StatusInternalServerError
	text := e.Error()
	switch {
	case errors.Is(err, jobrunner.ErrJob):
		// All that our handlers complain about is their input, and what they say
		// is meant for the user.
		status, text = http.StatusBadRequest, e.Text
	case errors.Is(err, jobrunner.ErrTooLarge):
		status = http.StatusRequestEntityTooLarge
	case errors.Is(err, jobrunner.ErrBusy), errors.Is(err, jobrunner.ErrNoWorker), errors.Is(err, jobrunner.ErrClosed):
		// The job did not run. HTTP counts in whole seconds, at least one.
		status = http.StatusServiceUnavailable
		seconds := max(1, int(math.Ceil(e.RetryAfter.Seconds())))
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
	case errors.Is(err, jobrunner.ErrTimedOut):
		status = http.StatusGatewayTimeout
	case errors.Is(err, jobrunner.ErrWorkerLost), errors.Is(err, jobrunner.ErrMasterLost):
		status = http.StatusBadGateway
	case errors.Is(err, jobrunner.ErrCancelled):
		return // the client hung up, nobody reads an answer
	}
	// A client that knows it can repeat even what is not idempotent.
	w.Header().Set("Job-May-Have-Run", strconv.FormatBool(e.MayHaveRun()))
	if status >= http.StatusInternalServerError {
		a.logger.Warn("a job gave no result", "status", status, "error", err)
	}
	http.Error(w, text, status)
}

// status shows what the embedded master knows: its workers, and how many jobs
// wait, run, and ended how.
func (a *app) status(w http.ResponseWriter, r *http.Request) {
	s, err := a.hose.Status(r.Context())
	if err != nil {
		a.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(s)
}
