// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// SignalError is the cause of a context that a signal has ended.
type SignalError struct{ Signal os.Signal }

func (e *SignalError) Error() string { return fmt.Sprintf("signal: %v", e.Signal) }

// sameSignal is how soon after the first signal another one still belongs to it:
// timeout(1), and wrappers in a terminal's foreground group, pass on a signal
// that the process gets anyway.
const sameSignal = 100 * time.Millisecond

// Interruptible returns a context that ends at the first SIGINT or SIGTERM. The
// second one, unless it comes within 0.1 s of the first, ends the process at
// once, with ExitError. Call stop in the end.
func Interruptible(parent context.Context, log *slog.Logger) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() { // joined by stop
		defer close(ended)
		var first time.Time
		for {
			select {
			case s := <-signals:
				if first.IsZero() {
					first = time.Now()
					log.Info("ending; a second signal ends it at once", "signal", s.String())
					cancel(&SignalError{s})
				} else if time.Since(first) > sameSignal {
					log.Warn("a second signal: exiting at once", "signal", s.String())
					os.Exit(ExitError)
				}
			case <-done:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		<-ended
		cancel(nil)
	}
}
