// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/powerhose/powerhose/protocol"
)

// service is a handler under its name.
type service struct {
	name    string
	handler Handler
}

// run is one start of a handler. It belongs to the handler's goroutine from the
// start until its task is added, otherwise to whoever works the queue; only ctx
// is for both.
type run struct {
	job  Job
	ctx  jobContext
	slot int
	call Handler

	// The answer.
	status  byte
	payload []byte
	took    time.Duration
}

// slot is a goroutine for handlers, started with its first job.
type slot struct {
	work chan *run // holds one; nil before the first job
	run  *run      // the job that runs here, or ran here last
}

// serve runs the handlers of one slot, until the channel is closed.
func (e *engine) serve(s *slot) {
	var current *run
	defer func() {
		if current != nil {
			// The handler called runtime.Goexit, which nothing can stop: fail
			// the job, and go on in another goroutine.
			current.fail("the handler ended its goroutine (runtime.Goexit)")
			e.finish(current)
			e.handlers.Add(1)
			go e.serve(s)
		}
		e.handlers.Done()
	}()
	for r := range s.work {
		current = r
		e.handle(r)
		current = nil
		e.finish(r)
	}
}

func (e *engine) finish(r *run) {
	r.ctx.end(context.Canceled)
	e.queue.Add(task{run: r})
}

// handle calls the handler. This is the one place where panics of handlers are
// recovered.
func (e *engine) handle(r *run) {
	start := time.Now()
	defer func() {
		r.took = max(time.Since(start), 1)
		if p := recover(); p != nil {
			r.fail("panic: " + fmt.Sprint(p))
			e.log.Error("a handler panicked", "service", r.job.Service, "panic", describe(p), "stack", string(debug.Stack()))
		}
	}()
	result, err := r.call(&r.ctx, &r.job)
	if err != nil {
		r.fail(err.Error())
		return
	}
	r.status, r.payload = protocol.StatusOK, result
}

// fail makes the answer an error of that text.
func (r *run) fail(text string) {
	r.status, r.payload = protocol.StatusError, []byte(cut(text))
}

// cut makes a text valid UTF-8 of at most protocol.MaxErrorText octets.
func cut(text string) string {
	if len(text) > protocol.MaxErrorText {
		end := protocol.MaxErrorText
		for end > protocol.MaxErrorText-utf8.UTFMax && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end]
	}
	valid := strings.ToValidUTF8(text, "?") // never longer: an invalid octet at least for each "?"
	return valid
}

// describe tells what a panic was for the log, where no payload may be: only the
// runtime's own texts are certain to have none.
func describe(p any) string {
	if err, ok := p.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("a value of type %T", p)
}
