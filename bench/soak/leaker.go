// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"

	"github.com/powerhose/powerhose/bench/internal/rig"
)

// playLeaker is a process that leaks a little whenever it is asked: the gate's
// own test.
func playLeaker(ctx context.Context) error {
	s := &soaker{times: newHistogram()}
	go rig.Answer(func() any { s.leak(os.Getenv(leakVariable)); return s.answer() })
	<-ctx.Done()
	return nil
}
