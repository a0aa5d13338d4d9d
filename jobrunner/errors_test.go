// SPDX-License-Identifier: Apache-2.0

package jobrunner

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/call"
	"github.com/powerhose/powerhose/protocol"
)

func TestEveryOutcomeHasItsError(t *testing.T) {
	t.Parallel()
	for outcome := protocol.OutcomeJobError; outcome <= protocol.OutcomeClosed; outcome++ {
		for _, ran := range []bool{false, true} {
			c := call.New()
			c.Service, c.Outcome, c.MayHaveRun, c.Result = "s", outcome, ran, []byte("why")
			err := fmt.Errorf("wrapped: %w", errorOf(c, nil))
			require.ErrorIs(t, err, kindOf[outcome])
			require.Equal(t, ran, MayHaveRun(err))
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, "why", e.Text)
			require.Equal(t, "s", e.Service)
			n := 0
			for _, kind := range kindOf {
				if kind != nil && errors.Is(err, kind) {
					n++
				}
			}
			require.Equal(t, 1, n, "%v is one thing only", err)
		}
	}
	c := call.New()
	require.NoError(t, errorOf(c, nil))
	c.MasterLost = true
	require.ErrorIs(t, errorOf(c, nil), ErrMasterLost)
	require.False(t, MayHaveRun(nil))
	require.True(t, MayHaveRun(errors.New("not ours")))
}

func TestTimeOutsAndCancellationsMatchTheContextsErrors(t *testing.T) {
	t.Parallel()
	of := func(outcome protocol.Outcome, ran bool, ctxErr error) error {
		c := call.New()
		c.Outcome, c.MayHaveRun = outcome, ran
		return errorOf(c, ctxErr)
	}
	for _, err := range []error{
		of(protocol.OutcomeTimedOutWaiting, false, nil),
		of(protocol.OutcomeCancelled, false, context.DeadlineExceeded), // the context's clock was ahead
	} {
		require.ErrorIs(t, err, ErrTimedOut)
		require.ErrorIs(t, err, ErrTimedOutWaiting)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, ErrCancelled)
	}
	for _, err := range []error{
		of(protocol.OutcomeTimedOutRunning, true, nil),
		of(protocol.OutcomeCancelled, true, context.DeadlineExceeded),
	} {
		require.ErrorIs(t, err, ErrTimedOut)
		require.ErrorIs(t, err, ErrTimedOutRunning)
	}
	err := of(protocol.OutcomeCancelled, true, context.Canceled)
	require.ErrorIs(t, err, ErrCancelled)
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, context.DeadlineExceeded)
}

func TestErrorTextsSayWhatToDo(t *testing.T) {
	t.Parallel()
	e := &Error{Service: "bcrypt", Text: "all is full", RetryAfter: 20 * time.Millisecond, kind: ErrBusy}
	require.EqualError(t, e, `jobrunner: service "bcrypt": busy: all is full (try again in 20ms)`)
	require.EqualError(t, &Error{kind: ErrClosed}, "jobrunner: closed")
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cfg  Config
		says string
	}{
		{Config{Timeout: -1}, "Config.Timeout"},
		{Config{Nice: 20}, "Config.Nice"},
		{Config{Workers: 5000}, "Config.Workers"},
		{Config{DrainTimeout: -1}, "Config.DrainTimeout"},
		{Config{Backend: "ipc://relative"}, "absolute"},
		{Config{Backend: "http://x"}, "ipc"},
		{Config{Workers: NoWorkers, MaxMessage: 1}, "MaxMessage"},
		{Config{Command: []string{"/no/such/program"}}, "/no/such/program"},
	} {
		_, err := Start(c.cfg)
		require.ErrorContains(t, err, c.says)
	}
	_, err := Connect(Config{Masters: []string{"ipc://relative"}})
	require.ErrorContains(t, err, "absolute")
}
