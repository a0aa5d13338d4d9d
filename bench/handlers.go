// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"github.com/powerhose/powerhose/worker"
)

// handlers are the kinds of jobs by name. Every peer whose workers are written
// in Go offers all of them.
var handlers = map[string]func(payload []byte) ([]byte, error){
	"echo": func(payload []byte) ([]byte, error) { return payload, nil },
}

// services are the handlers as Powerhose's workers want them.
func services() worker.Services {
	s := worker.Services{}
	for name, handle := range handlers {
		s[name] = func(_ context.Context, job *worker.Job) ([]byte, error) { return handle(job.Payload) }
	}
	return s
}
