// SPDX-License-Identifier: Apache-2.0

// Package services are the handlers that powerhose-worker brings along: enough
// to try a set-up out, to measure it and to test it.
package services

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Func does one job. The payload is the caller's to keep.
type Func func(ctx context.Context, payload []byte) ([]byte, error)

// Limits of what the services accept.
const (
	// MaxDigits bounds the number that square accepts.
	MaxDigits = 4096
	// MaxTime bounds what sleep and burn accept.
	MaxTime = time.Hour
)

// Names of the services.
const (
	Echo   = "echo"   // answers with the payload
	Square = "square" // a decimal integer: answers with its square
	Sleep  = "sleep"  // milliseconds to wait: answers with the number
	Burn   = "burn"   // milliseconds of processor time to use: answers with the number
)

var all = map[string]Func{Echo: echo, Square: square, Sleep: sleep, Burn: burn}

// Names returns the names of all services in alphabetical order.
func Names() []string { return slices.Sorted(maps.Keys(all)) }

// Lookup returns the services of these names. The error names the first that
// does not exist.
func Lookup(names []string) (map[string]Func, error) {
	found := make(map[string]Func, len(names))
	for _, name := range names {
		f, ok := all[name]
		if !ok {
			return nil, fmt.Errorf("there is no built-in service %q, only %s", name, strings.Join(Names(), ", "))
		}
		found[name] = f
	}
	return found, nil
}

func echo(_ context.Context, payload []byte) ([]byte, error) { return payload, nil }

func square(_ context.Context, payload []byte) ([]byte, error) {
	text := bytes.TrimSpace(payload)
	digits := bytes.TrimLeft(text, "+-")
	if len(digits) > MaxDigits {
		return nil, fmt.Errorf("square: the number has %d digits, at most %d are allowed", len(digits), MaxDigits)
	}
	n, ok := new(big.Int).SetString(string(text), 10)
	if !ok {
		return nil, errors.New("square: not a decimal integer")
	}
	return n.Mul(n, n).Append(nil, 10), nil
}

func sleep(ctx context.Context, payload []byte) ([]byte, error) {
	d, err := milliseconds(Sleep, payload)
	if err != nil {
		return nil, err
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return answer(d), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func burn(ctx context.Context, payload []byte) ([]byte, error) {
	d, err := milliseconds(Burn, payload)
	if err != nil {
		return nil, err
	}
	// Processor time is counted for a thread, so nobody else may use ours.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begin, err := threadTime()
	if err != nil {
		return nil, fmt.Errorf("burn: %w", err)
	}
	for x := uint64(1); ; {
		now, err := threadTime()
		switch {
		case err != nil:
			return nil, fmt.Errorf("burn: %w", err)
		case now-begin >= d:
			return answer(d), nil
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		}
		for range 20_000 { // about 20 µs
			x = x*6364136223846793005 + 1442695040888963407
		}
		ashes.Store(x)
	}
}

func milliseconds(service string, payload []byte) (time.Duration, error) {
	n, err := strconv.ParseUint(string(bytes.TrimSpace(payload)), 10, 64)
	if err != nil || n > uint64(MaxTime/time.Millisecond) {
		return 0, fmt.Errorf("%s: not a number of milliseconds from 0 to %d", service, MaxTime/time.Millisecond)
	}
	return time.Duration(n) * time.Millisecond, nil
}

func answer(d time.Duration) []byte {
	return strconv.AppendInt(nil, d.Milliseconds(), 10)
}
