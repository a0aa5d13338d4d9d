// SPDX-License-Identifier: Apache-2.0

//go:build unix

package lifeline

import (
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/workerenv"
)

// The tests set the environment, so none is parallel.

func TestHoldTellsOfTheEnd(t *testing.T) {
	var fds [2]int
	require.NoError(t, syscall.Pipe(fds[:]))
	t.Setenv(workerenv.LifelineFD, strconv.Itoa(fds[0]))
	gone := make(chan struct{})
	require.NoError(t, Hold(func() { close(gone) }))
	require.Empty(t, os.Getenv(workerenv.LifelineFD))
	select {
	case <-gone:
		require.FailNow(t, "the other end is open")
	default:
	}
	require.NoError(t, syscall.Close(fds[1]))
	select {
	case <-gone:
	case <-time.After(20 * time.Second):
		require.FailNow(t, "the end was not noticed")
	}
}

func TestHoldWithoutALifeline(t *testing.T) {
	t.Setenv(workerenv.LifelineFD, "")
	require.NoError(t, Hold(func() { t.Error("gone") }))
}

func TestHoldRefusesNonsense(t *testing.T) {
	for _, value := range []string{"three", "-1", "3 ", "1000000"} {
		t.Setenv(workerenv.LifelineFD, value)
		require.ErrorContains(t, Hold(func() {}), workerenv.LifelineFD, value)
	}
}
