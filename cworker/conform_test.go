// SPDX-License-Identifier: Apache-2.0

package cworker_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/conform"
)

// TestConforms gives the worker to the kit that knows the protocol's rules, with
// each way to share the work between threads.
func TestConforms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		threads  string
		capacity int
		listen   bool // every check over a socket of its own, not only those about one
	}{
		{"relay", 1, false},
		{"relay", 1, true},
		{"crew", 1, false},
		{"crew", 4, false},
		{"crew", 4, true},
		{"single", 1, false},
		{"single", 1, true},
	} {
		t.Run(fmt.Sprintf("%s/capacity=%d/listen=%t", c.threads, c.capacity, c.listen), func(t *testing.T) {
			t.Parallel()
			conforms(t, c.threads, c.capacity, c.listen)
		})
	}
}

func conforms(t *testing.T, threads string, capacity int, listen bool) {
	t.Helper()
	report, err := conform.Run(t.Context(), conform.Config{
		Command:    []string{program(t), "--log-level=warn", "--threads", threads, "--capacity", strconv.Itoa(capacity)},
		ListenArgs: []string{"--listen=" + conform.ListenPlaceholder},
		Listen:     listen,
		Timeout:    10 * time.Second, // the machine that runs all tests at once is slow
		Parallel:   10,
	})
	require.NoError(t, err)
	require.Equal(t, capacity, report.Worker.Capacity)
	for _, f := range report.Findings {
		t.Logf("%v %v: %s: %s", f.Rule, f.Verdict, f.Name, f.Evidence)
		require.NotEqual(t, conform.Broken, f.Verdict, "%v %s: %s", f.Rule, f.Name, f.Evidence)
	}
	require.Greater(t, report.Count(conform.Holds), 85)
}
