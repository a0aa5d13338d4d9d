// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/cryptosvc"
)

// testService is the service with the keys in a folder.
func testService(t *testing.T) (ask asker, keyDir string) {
	t.Helper()
	keyDir = filepath.Join(t.TempDir(), "keys")
	require.NoError(t, copySecrets(filepath.Join("..", keysOfVectors), keyDir))
	keys, err := cryptosvc.LoadKeys(keyDir)
	require.NoError(t, err)
	return askerOf(t.Context(), cryptosvc.New(keys)), keyDir
}

func TestBareCallsDoWhatTheServiceDoes(t *testing.T) {
	t.Parallel()
	ask, keyDir := testService(t)
	for _, op := range cryptoOperations {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			request, err := cryptoRequest(ask, op.name)
			require.NoError(t, err)
			key, err := readKey(keyDir, request)
			require.NoError(t, err)
			call, err := libraryCall(request, key)
			require.NoError(t, err)
			for range 2 { // what is made once can be used again
				output, err := call()
				require.NoError(t, err)
				require.NoError(t, checkOutput(ask, request, output))
			}
		})
	}
}

func TestWrongOutputOfABareCallIsFound(t *testing.T) {
	t.Parallel()
	ask, keyDir := testService(t)
	for _, op := range cryptoOperations {
		request, err := cryptoRequest(ask, op.name)
		require.NoError(t, err)
		key, err := readKey(keyDir, request)
		require.NoError(t, err)
		call, err := libraryCall(request, key)
		require.NoError(t, err)
		output, err := call()
		require.NoError(t, err)
		if request.GetRandom() != nil {
			require.Error(t, checkOutput(ask, request, make([]byte, len(output))), op.name)
		} else {
			output[len(output)-1] ^= 1
			require.Error(t, checkOutput(ask, request, output), op.name)
		}
		require.Error(t, checkOutput(ask, request, nil), op.name)
	}
}

func TestWrongSignatureIsNotTimed(t *testing.T) {
	t.Parallel()
	ask, keyDir := testService(t)
	request, err := cryptoRequest(ask, "verify ECDSA P-256")
	require.NoError(t, err)
	request.GetVerify().Data = []byte("something else")
	key, err := readKey(keyDir, request)
	require.NoError(t, err)
	call, err := libraryCall(request, key)
	require.NoError(t, err)
	output, err := call()
	require.NoError(t, err)
	require.Error(t, checkOutput(ask, request, output))
}

func TestLoopCountsEachCall(t *testing.T) {
	t.Parallel()
	calls := int64(0)
	r, err := loop(t.Context(), work{LengthMS: 20}, func() error { calls++; return nil })
	require.NoError(t, err)
	require.Positive(t, r.CPU)
	require.Equal(t, calls-1, r.Jobs, "without time for it, the warm-up is one call")

	failure := errors.New("it fails")
	_, err = loop(t.Context(), work{LengthMS: 1}, func() error { return failure })
	require.ErrorIs(t, err, failure)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = loop(ctx, work{LengthMS: 1}, func() error { return nil })
	require.ErrorIs(t, err, context.Canceled)
}

func TestOverheadIsThatOverTheBareCall(t *testing.T) {
	t.Parallel()
	x := crypto()
	o := options{settings: shortest, cases: x.name, points: "encrypt", goOnly: true}
	at := func(peer string, cpu float64) (place, []*measurement) {
		return o.works(x)[0].place(peer), []*measurement{{CPU: cpu, Jobs: 1, Seconds: 1, More: map[string]float64{"jobs_per_s_per_cpu": 1e6 / cpu}}}
	}
	r := &results{options: o, rounds: map[place][]*measurement{}}
	for peer, cpu := range map[string]float64{"library": 2, "service": 4, "powerhose-embedded": 9} {
		where, rounds := at(peer, cpu)
		r.rounds[where] = rounds
	}
	rows, err := r.rows(x)
	require.NoError(t, err)
	require.Len(t, rows, 3)
	ours := rows[2]
	require.Equal(t, "powerhose-embedded", ours.Peer)
	require.InDelta(t, 350, ours.More["overhead_percent"], 1e-9)
	require.InDelta(t, 2, ours.More["library_us"], 1e-9)
	require.InDelta(t, 4, ours.More["service_us"], 1e-9)
	require.Equal(t, 1, rows[0].Callers, "it is a loop")
	require.Zero(t, rows[0].Workers)
	table, err := r.markdown()
	require.NoError(t, err)
	require.NotContains(t, table, "| library |", "its figures are in our row")
	require.Contains(t, table, "| powerhose-embedded |")
}

// The calls in C++ are all made, and what comes out is checked. It is not
// parallel, as the other tests with processes.
func TestBareCallsInCxxDoWhatTheServiceDoes(t *testing.T) {
	o := options{settings: settings{rounds: 1, lengthMS: 1, bcryptCost: 4}, cases: "crypto", peers: "library/cxx"}
	require.NoError(t, o.check())
	r, err := measureAll(t.Context(), o, t.Output())
	require.NoError(t, err)
	rows, err := r.rows(crypto())
	require.NoError(t, err)
	require.Len(t, rows, len(cryptoOperations))
	for _, row := range rows {
		if row.Skipped != "" {
			t.Logf("not measured: %s", row.Skipped) // without Crypto++
			continue
		}
		require.Empty(t, row.Failed)
		require.Positive(t, row.Jobs, row.Point)
	}
}
