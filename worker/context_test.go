// SPDX-License-Identifier: Apache-2.0

package worker

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type contextKey struct{}

func newJobContext(left time.Duration) *jobContext {
	base := context.WithValue(context.Background(), contextKey{}, "value")
	return &jobContext{base: base, deadline: time.Now().Add(left)}
}

func TestJobContextIsAContext(t *testing.T) {
	t.Parallel()
	errCause := errors.New("cause")
	c := newJobContext(time.Hour)
	require.NoError(t, c.Err())
	require.NoError(t, context.Cause(c))
	require.Equal(t, "value", c.Value(contextKey{}))
	at, ok := c.Deadline()
	require.True(t, ok)
	require.Equal(t, c.deadline, at)
	child, cancel := context.WithTimeout(c, time.Minute)
	defer cancel()
	after := make(chan struct{})
	context.AfterFunc(c, func() { close(after) })
	c.end(errCause)
	c.end(context.Canceled) // the first one counts
	<-c.Done()
	<-child.Done()
	<-after
	require.ErrorIs(t, c.Err(), context.Canceled)
	require.Equal(t, errCause, context.Cause(c))
	require.Equal(t, errCause, context.Cause(child))
}

func TestJobContextEndedBeforeAnybodyAsked(t *testing.T) {
	t.Parallel()
	c := newJobContext(time.Hour)
	c.end(ErrCancelled)
	require.Nil(t, c.real, "made only on demand")
	<-c.Done()
	require.ErrorIs(t, c.Err(), context.Canceled)
	require.Equal(t, ErrCancelled, context.Cause(c))
}

func TestJobContextDeadline(t *testing.T) {
	t.Parallel()
	c := newJobContext(time.Millisecond)
	<-c.Done()
	require.ErrorIs(t, c.Err(), context.DeadlineExceeded)
	require.ErrorIs(t, context.Cause(c), context.DeadlineExceeded)
	c.end(ErrCancelled)
	require.ErrorIs(t, context.Cause(c), context.DeadlineExceeded)
}

func TestJobContextFromManyGoroutines(t *testing.T) {
	t.Parallel()
	for range 200 {
		c := newJobContext(time.Hour)
		done := make(chan struct{})
		for range 4 {
			go func() {
				<-c.Done()
				_ = c.Value(contextKey{})
				done <- struct{}{}
			}()
		}
		go c.end(ErrMasterLost)
		for range 4 {
			<-done
		}
		require.Equal(t, ErrMasterLost, context.Cause(c))
	}
}

func BenchmarkJobContextUnused(b *testing.B) {
	b.ReportAllocs()
	c := newJobContext(time.Hour)
	for b.Loop() {
		c.cause = nil
		c.end(context.Canceled)
	}
}
