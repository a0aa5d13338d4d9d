// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"strconv"

	"github.com/powerhose/powerhose/worker"
)

// handlers are the kinds of jobs by name. Every peer whose workers are written
// in Go offers all of them.
var handlers = map[string]func(payload []byte) ([]byte, error){
	"echo":   func(payload []byte) ([]byte, error) { return payload, nil },
	"bcrypt": compare,
	"burn":   burn,
}

// burn does a fixed amount of work, not work for a fixed time, so that it takes
// longer if others take the processor away: payload is how many steps. Each needs
// the result of the one before, so that compilers of all languages make the same
// of it. It returns the payload.
func burn(payload []byte) ([]byte, error) {
	steps, err := strconv.ParseUint(string(payload), 10, 64)
	if err != nil {
		return nil, err
	}
	if xorshift(steps) == 0 {
		return nil, errors.New("this number never comes to 0")
	}
	return payload, nil
}

func xorshift(steps uint64) uint64 {
	x := uint64(88172645463325252)
	for range steps {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// services are the handlers as Powerhose's workers want them.
func services() worker.Services {
	s := worker.Services{}
	for name, handle := range handlers {
		s[name] = func(_ context.Context, job *worker.Job) ([]byte, error) { return handle(job.Payload) }
	}
	return s
}
