// SPDX-License-Identifier: Apache-2.0

package services

import (
	"context"
	"errors"
	"math/big"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var errGivenUp = errors.New("given up")

func run(t *testing.T, service, payload string) (string, error) {
	t.Helper()
	got, err := all[service](t.Context(), []byte(payload))
	return string(got), err
}

func TestLookup(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"burn", "echo", "sleep", "square"}, Names())
	some, err := Lookup([]string{"echo", "sleep"})
	require.NoError(t, err)
	require.Len(t, some, 2)
	require.Contains(t, some, "sleep")
	_, err = Lookup([]string{"echo", "ecco"})
	require.EqualError(t, err, `there is no built-in service "ecco", only burn, echo, sleep, square`)
}

func TestEchoTouchesNothing(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{"", "\n", "\x00\xff two\r\n"} {
		got, err := run(t, Echo, payload)
		require.NoError(t, err)
		require.Equal(t, payload, got)
	}
}

func TestSquare(t *testing.T) {
	t.Parallel()
	nines := strings.Repeat("9", MaxDigits)
	big9, _ := new(big.Int).SetString(nines, 10)
	for payload, want := range map[string]string{
		"7": "49", "0": "0", "-12": "144", "+3": "9", " 5\n": "25",
		"100000000000000000000": "1" + strings.Repeat("0", 40),
		nines:                   new(big.Int).Mul(big9, big9).String(),
		"-" + nines:             new(big.Int).Mul(big9, big9).String(),
	} {
		got, err := run(t, Square, payload)
		require.NoError(t, err, payload)
		require.Equal(t, want, got)
	}
	for _, payload := range []string{"", "-", "+-1", "seven", "1.5", "0x10", "1_000", "1 2", "\x00", "٣"} {
		_, err := run(t, Square, payload)
		require.EqualError(t, err, "square: not a decimal integer", "%q", payload)
	}
	_, err := run(t, Square, nines+"9")
	require.EqualError(t, err, "square: the number has 4097 digits, at most 4096 are allowed")
}

func TestTimesAreChecked(t *testing.T) {
	t.Parallel()
	for _, service := range []string{Sleep, Burn} {
		got, err := run(t, service, " 1\n")
		require.NoError(t, err)
		require.Equal(t, "1", got)
		for _, payload := range []string{"", "x", "-1", "1.5", "3600001", "99999999999999999999"} {
			_, err := run(t, service, payload)
			require.EqualError(t, err, service+": not a number of milliseconds from 0 to 3600000", "%q", payload)
		}
	}
}

func TestLongServicesStopWhenCancelled(t *testing.T) {
	t.Parallel()
	for _, service := range []string{Sleep, Burn} {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Millisecond, func() { cancel(errGivenUp) })
		_, err := all[service](ctx, []byte("3600000"))
		require.ErrorIs(t, err, errGivenUp, service)
	}
}

func TestBurnUsesTheProcessorAndSleepDoesNot(t *testing.T) { // not parallel: it measures the process
	used := func(service string) time.Duration {
		before := processTime(t)
		got, err := run(t, service, "100")
		require.NoError(t, err)
		require.Equal(t, "100", got)
		return processTime(t) - before
	}
	require.GreaterOrEqual(t, used(Burn), 99*time.Millisecond)
	require.Less(t, used(Sleep), 50*time.Millisecond)
}

func processTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
