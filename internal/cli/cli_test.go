// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// program has one command that returns err.
func program(err error) (*cobra.Command, *bytes.Buffer) {
	root := &cobra.Command{Use: "prog"}
	sub := &cobra.Command{
		Use: "sub", Args: NoArguments,
		RunE: func(*cobra.Command, []string) error { return err },
	}
	root.AddCommand(sub)
	out := &bytes.Buffer{}
	root.SetErr(out)
	root.SetOut(out)
	return root, out
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		err  error
		code int
		text string
	}{
		"ok":              {[]string{"sub"}, nil, 0, ""},
		"failure":         {[]string{"sub"}, Fail(errors.New("it broke")), 1, "prog sub: it broke\n"},
		"code":            {[]string{"sub"}, &Error{Code: 7, Err: errors.New("seven")}, 7, "prog sub: seven\n"},
		"silent":          {[]string{"sub"}, &Error{Code: 8}, 8, ""},
		"wrapped":         {[]string{"sub"}, fmt.Errorf("so: %w", &Error{Code: 9}), 9, ""},
		"bad value":       {[]string{"sub"}, errors.New("no good"), 2, "prog sub: no good\nRun 'prog sub --help' for usage.\n"},
		"unknown flag":    {[]string{"sub", "--what"}, nil, 2, "prog sub: unknown flag: --what\nRun 'prog sub --help' for usage.\n"},
		"extra argument":  {[]string{"sub", "x"}, nil, 2, "prog sub: unexpected argument \"x\": there are only flags\nRun 'prog sub --help' for usage.\n"},
		"unknown command": {[]string{"bus"}, nil, 2, "prog: unknown command \"bus\" for \"prog\"\n\nDid you mean this?\n\tsub\n\nRun 'prog --help' for usage.\n"},
	} {
		root, out := program(c.err)
		root.SetArgs(c.args)
		require.Equal(t, c.code, Run(root), name)
		require.Equal(t, c.text, out.String(), name)
	}
	require.NoError(t, Fail(nil))
}

func TestUsageExitOfOneCommand(t *testing.T) {
	t.Parallel()
	root, _ := program(nil)
	sub, _, err := root.Find([]string{"sub"})
	require.NoError(t, err)
	UsageExit(sub, 3)
	root.SetArgs([]string{"sub", "--what"})
	require.Equal(t, 3, Run(root))
	root.SetArgs([]string{"--what"})
	require.Equal(t, 2, Run(root))
}

func TestSize(t *testing.T) {
	t.Parallel()
	var n int64
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	Size(fs, &n, "size", 32<<20, "a size")
	require.Contains(t, fs.FlagUsages(), "--size size   a size (default 32MiB)")
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "65536": 65536, "64KiB": 65536, "64k": 65536, "64KB": 65536, "3MiB": 3 << 20, "2g": 2 << 30,
		"8388608TiB": -1, "8589934592GiB": -1, "8589934591GiB": 8589934591 << 30,
		"": -1, "-1": -1, "KiB": -1, "1.5MiB": -1, "many": -1, "1KiBKiB": -1, "9223372036854775808": -1,
	} {
		err := fs.Set("size", text)
		if want < 0 {
			require.ErrorContains(t, err, "not a size", text)
			continue
		}
		require.NoError(t, err, text)
		require.Equal(t, want, n, text)
	}
	for n, want := range map[int64]string{0: "0", 1: "1", 1023: "1023", 1024: "1KiB", 1 << 30: "1GiB", 1<<20 + 1024: "1025KiB"} {
		require.Equal(t, want, FormatSize(n))
	}
}

func TestOneOf(t *testing.T) {
	t.Parallel()
	var word string
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	OneOf(fs, &word, "word", "which", "b", "a", "b")
	require.Equal(t, "b", word)
	require.Contains(t, fs.FlagUsages(), "--word word   which: a, b (default b)")
	require.NoError(t, fs.Set("word", "a"))
	require.Equal(t, "a", word)
	require.ErrorContains(t, fs.Set("word", "c"), "must be one of a, b")
}

func TestFromEnvironment(t *testing.T) { // not parallel: it sets the environment
	t.Setenv("POWERHOSE_CAPACITY", "3")
	t.Setenv("POWERHOSE_MAX_MESSAGE", "1MiB")
	t.Setenv("POWERHOSE_BACKEND", "ipc:///from/environment")
	t.Setenv("POWERHOSE_EMPTY", "")
	var (
		capacity         int
		largest          int64
		backend, nothing string
		insecure         bool
	)
	flags := func() *pflag.FlagSet {
		fs := pflag.NewFlagSet("", pflag.ContinueOnError)
		fs.IntVar(&capacity, "capacity", 1, "")
		Size(fs, &largest, "max-message", 1, "")
		Backend(fs, &backend, "where")
		fs.StringVar(&nothing, "empty", "default", "")
		Insecure(fs, &insecure)
		return fs
	}
	fs := flags()
	require.Contains(t, fs.FlagUsages(), "ipc:///from/environment", "--help shows what would be used")
	require.NoError(t, fs.Parse([]string{"--max-message=5"}))
	require.NoError(t, FromEnvironment(fs))
	require.Equal(t, 3, capacity)
	require.EqualValues(t, 5, largest, "the command line wins")
	require.Equal(t, "ipc:///from/environment", backend)
	require.Equal(t, "default", nothing)

	fs = flags()
	require.NoError(t, FromEnvironment(fs, "max-message"))
	require.Equal(t, 1, capacity)
	require.EqualValues(t, 1<<20, largest)

	t.Setenv("POWERHOSE_INSECURE", "perhaps")
	err := FromEnvironment(flags())
	require.ErrorContains(t, err, `invalid value "perhaps" of the environment variable POWERHOSE_INSECURE`)
}

func TestLogger(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"text", "json"} {
		var l Log
		fs := pflag.NewFlagSet("", pflag.ContinueOnError)
		l.Flags(fs, "warn")
		require.NoError(t, fs.Parse([]string{"--log-format", format}))
		out := &bytes.Buffer{}
		log := l.Logger(out)
		log.Info("not this")
		log.Warn("this", "n", 1)
		require.NotContains(t, out.String(), "not this")
		require.Equal(t, format == "json", json.Valid(out.Bytes()))
		require.Contains(t, out.String(), "this")
	}
}

func TestFirstSignalEndsTheContext(t *testing.T) { // not parallel: a signal is for the whole process
	ctx, stop := Interruptible(t.Context(), slog.New(slog.DiscardHandler))
	defer stop()
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
	select {
	case <-ctx.Done():
	case <-time.After(20 * time.Second):
		require.FailNow(t, "the signal did nothing")
	}
	var cause *SignalError
	require.ErrorAs(t, context.Cause(ctx), &cause)
	require.Equal(t, syscall.SIGTERM, cause.Signal)
	require.EqualError(t, cause, "signal: terminated")
}
