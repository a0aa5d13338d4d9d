// SPDX-License-Identifier: Apache-2.0

//go:build race

package zmqnet

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestConcurrentUsePanicsInRaceBuilds(t *testing.T) {
	t.Parallel()
	s := newDealer(t, Options{})
	s.guard.enter()
	require.PanicsWithValue(t, "zmqnet: socket used by two goroutines at once: its owner must exclude others", func() {
		_ = s.Send1([]byte("x"))
	})
	s.guard.leave()
	require.ErrorIs(t, s.Send1([]byte("x")), ErrAgain)
}
