// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"iter"

	"github.com/powerhose/powerhose/protocol"
)

// Job is what a handler is given. It belongs to the handler, which may keep and
// change it.
type Job struct {
	// Service is the name under which the job was submitted, one of
	// Config.Services.
	Service string
	// Payload is what the caller sent, untouched. Keeping a small payload may
	// keep up to 64 KiB alive that arrived together with it.
	Payload []byte

	headers protocol.Headers
}

// Text returns the payload as a string.
func (j *Job) Text() string { return string(j.Payload) }

// Header returns the first header of that name, such as "traceparent".
func (j *Job) Header(name string) (value string, ok bool) {
	v, ok := j.headers.Get(name)
	return string(v), ok
}

// Headers returns names and values of all headers in the caller's order. A name
// may come more than once.
func (j *Job) Headers() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for name, value := range j.headers.All() {
			if !yield(string(name), string(value)) {
				return
			}
		}
	}
}

// Handler does one job. It is called from up to Config.Capacity goroutines at
// once, and its result, which may be nil, must not be changed after it returned.
//
// The context has the job's deadline and the values of the context given to Run.
// It is cancelled when nobody waits for the result any more: at the deadline
// (context.DeadlineExceeded), with ErrCancelled, ErrMasterLost or
// ErrDrainTimeout as its cause, or when the handler has returned.
//
// The text of an error goes to the caller, cut at 4096 octets, and so does that
// of a panic, as "panic: …".
type Handler func(ctx context.Context, job *Job) ([]byte, error)

// Text makes a Handler of a function from text to text.
func Text(f func(ctx context.Context, text string) (string, error)) Handler {
	return func(ctx context.Context, job *Job) ([]byte, error) {
		answer, err := f(ctx, job.Text())
		return []byte(answer), err
	}
}

// Services are the handlers by the name of their service: 0 to 64 octets of
// printable ASCII without spaces. The empty name is the default service. At
// least 1, at most 256.
type Services map[string]Handler
