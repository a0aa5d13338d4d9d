// SPDX-License-Identifier: Apache-2.0

// Package cworker_test holds the C++ worker against the master of this module.
package cworker_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/version"
	"github.com/powerhose/powerhose/jobrunner"
)

const patience = time.Minute

// program builds powerhose-cworker once and returns its path.
func program(t testing.TB) string {
	t.Helper()
	build.once.Do(func() { build.path, build.skip, build.err = buildProgram() })
	if build.skip != "" {
		if os.Getenv("POWERHOSE_REQUIRE_ALL") == "1" {
			require.FailNow(t, build.skip)
		}
		t.Skip(build.skip)
	}
	require.NoError(t, build.err)
	return build.path
}

var build struct {
	once sync.Once
	path string
	skip string
	err  error
}

// buildProgram builds where `make cworker` does, so that one has little to do after
// the other.
func buildProgram() (path, skip string, err error) {
	if _, err := exec.LookPath("cmake"); err != nil {
		return "", "THE C++ WORKER IS NOT TESTED: there is no cmake (scripts/deps.sh test installs it)", nil
	}
	for _, args := range [][]string{
		{"--preset", "release"},
		{"--build", "build/release", "-j2"},
	} {
		if out, err := exec.Command("cmake", args...).CombinedOutput(); err != nil {
			return "", "", fmt.Errorf("cmake %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	path, err = filepath.Abs("build/release/program/powerhose-cworker")
	return path, "", err
}

// start starts an embedded master and n workers that it supervises.
func start(t testing.TB, cfg jobrunner.Config, n int, args ...string) *jobrunner.Runner {
	t.Helper()
	cfg.Workers = n
	// A worker that gets no processor time for long is not what is tested.
	cfg.Heartbeat, cfg.Timeout, cfg.Nice = 5*time.Second, patience, jobrunner.NiceNone
	cfg.Command = append([]string{program(t), "--log-level=warn"}, args...)
	r, err := jobrunner.Start(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, r.WaitReady(ctx))
	return r
}

func execute(t testing.TB, r *jobrunner.Runner, service, payload string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return r.Execute(ctx, service, payload)
}

func TestVersionsAreEqual(t *testing.T) {
	t.Parallel()
	out, err := exec.Command(program(t), "--version").Output()
	require.NoError(t, err)
	require.Equal(t, "powerhose-cworker version "+version.Version+"\n", string(out))
}

func TestServicesAnswerAsThoseInGo(t *testing.T) {
	t.Parallel()
	for _, threads := range []string{"relay", "crew", "single"} {
		r := start(t, jobrunner.Config{}, 1, "--threads", threads)
		binary := make([]byte, 256)
		for i := range binary {
			binary[i] = byte(i)
		}
		for _, c := range []struct{ service, payload, want, fails string }{
			{service: "echo", payload: "hello", want: "hello"},
			{service: "echo", payload: ""},
			{service: "echo", payload: string(binary), want: string(binary)},
			{service: "echo", payload: strings.Repeat("x", 4<<20), want: strings.Repeat("x", 4<<20)},
			{service: "square", payload: " -123456789012345678901234567890\n", want: "15241578753238836750495351562536198787501905199875019052100"},
			{service: "square", payload: "+0", want: "0"},
			{service: "square", payload: "--5", fails: "square: not a decimal integer"},
			{service: "square", payload: strings.Repeat("9", 4097), fails: "square: the number has 4097 digits, at most 4096 are allowed"},
			{service: "square", payload: strings.Repeat("9", 4096), want: strings.Repeat("9", 4095) + "8" + strings.Repeat("0", 4095) + "1"},
			{service: "sleep", payload: "020", want: "20"},
			{service: "burn", payload: "20", want: "20"},
			{service: "burn", payload: "-1", fails: "burn: not a number of milliseconds from 0 to 3600000"},
		} {
			got, err := execute(t, r, c.service, c.payload)
			if c.fails != "" {
				require.ErrorIs(t, err, jobrunner.ErrJob)
				require.ErrorContains(t, err, c.fails)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		}
	}
}

// hammer has jobs done by many callers at once, and returns how many.
func hammer(t testing.TB, r *jobrunner.Runner, callers, jobs int) {
	t.Helper()
	payload := strings.Repeat("x", 100)
	var left atomic.Int64
	left.Store(int64(jobs))
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				got, err := execute(t, r, "echo", payload)
				if err != nil || got != payload {
					t.Errorf("echo: %d octets, %v", len(got), err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkEcho(b *testing.B) {
	for _, threads := range []string{"relay", "crew", "single"} {
		for _, callers := range []int{1, 128, 1024} {
			b.Run(fmt.Sprintf("%s/callers=%d", threads, callers), func(b *testing.B) {
				r := start(b, jobrunner.Config{Nice: jobrunner.NiceNone}, 1, "--threads", threads)
				hammer(b, r, callers, callers)
				b.ResetTimer()
				hammer(b, r, callers, b.N)
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
			})
		}
	}
}
