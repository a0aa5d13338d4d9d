// SPDX-License-Identifier: Apache-2.0

package jobrunner_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/jobrunner"
	"github.com/powerhose/powerhose/worker"
)

const patience = 60 * time.Second

// TestMain lets the workers that Start starts be this binary.
func TestMain(m *testing.M) {
	worker.Main(worker.Services{
		"":      func(_ context.Context, job *worker.Job) ([]byte, error) { return job.Payload, nil },
		"upper": worker.Text(upper),
		"pid": func(context.Context, *worker.Job) ([]byte, error) {
			return []byte(strconv.Itoa(os.Getpid())), nil
		},
		"nice": func(context.Context, *worker.Job) ([]byte, error) {
			n, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
			return []byte(strconv.Itoa(20 - n)), err // the system call counts from 20 down
		},
		"env": worker.Text(func(_ context.Context, name string) (string, error) { return os.Getenv(name), nil }),
		"hang": func(ctx context.Context, _ *worker.Job) ([]byte, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		},
		"header": func(_ context.Context, job *worker.Job) ([]byte, error) {
			value, _ := job.Header("trace")
			return []byte(value), nil
		},
	})
	os.Exit(m.Run())
}

func start(t testing.TB, cfg jobrunner.Config) *jobrunner.Runner {
	t.Helper()
	if cfg.Timeout == 0 {
		cfg.Timeout = patience
	}
	r, err := jobrunner.Start(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

func TestStartServesWithItself(t *testing.T) {
	t.Parallel()
	r := start(t, jobrunner.Config{Workers: 2, Env: []string{"GREETING=hello"}})
	ctx := context.Background()
	got, err := r.Execute(ctx, "", "to the default service")
	require.NoError(t, err)
	require.Equal(t, "to the default service", got)
	got, err = r.Execute(ctx, "env", "GREETING")
	require.NoError(t, err)
	require.Equal(t, "hello", got)
	got, err = r.Execute(ctx, "nice", "")
	require.NoError(t, err)
	own, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(min(20-own+jobrunner.DefaultNice, 19)), got)
	bytes, err := r.Do(ctx, jobrunner.Job{Service: "header", Headers: map[string]string{"trace": "00-abc"}})
	require.NoError(t, err)
	require.Equal(t, "00-abc", string(bytes))

	dir := r.Backend()[len("ipc://"):]
	require.FileExists(t, dir)
}

func TestADeadWorkerIsReplaced(t *testing.T) {
	t.Parallel()
	r := start(t, jobrunner.Config{Workers: 1})
	first, err := r.Execute(context.Background(), "pid", "")
	require.NoError(t, err)
	pid, err := strconv.Atoi(first)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	// One job may still be given to the dead one.
	var second string
	require.Eventually(t, func() bool {
		second, err = r.Execute(context.Background(), "pid", "")
		return err == nil
	}, patience, time.Millisecond)
	require.NotEqual(t, first, second)
}

func TestCloseEndsEveryCall(t *testing.T) {
	t.Parallel()
	r, err := jobrunner.Start(jobrunner.Config{Workers: 1, Timeout: patience})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, r.WaitReady(ctx))
	var calls sync.WaitGroup
	errs := make(chan error, 10)
	for range 10 { // one runs, the others wait
		calls.Add(1)
		go func() {
			defer calls.Done()
			_, err := r.Execute(context.Background(), "hang", "")
			errs <- err
		}()
	}
	require.Eventually(t, func() bool {
		s, err := r.Status(ctx)
		return err == nil && s.Jobs.Running+s.Jobs.Waiting == 10
	}, patience, time.Millisecond)
	require.NoError(t, r.Close())
	calls.Wait()
	ran := 0
	for range 10 {
		err := <-errs
		require.ErrorIs(t, err, jobrunner.ErrClosed)
		if jobrunner.MayHaveRun(err) {
			ran++
		}
	}
	require.Equal(t, 1, ran)
	require.NoError(t, r.Close(), "closing twice is harmless")
	_, err = r.Execute(context.Background(), "", "x")
	require.ErrorIs(t, err, jobrunner.ErrClosed)
	require.False(t, jobrunner.MayHaveRun(err))
	_, err = os.Stat(r.Backend()[len("ipc://"):])
	require.ErrorIs(t, err, os.ErrNotExist, "the private socket is removed")
}

func TestAContextThatIsOverRunsNothing(t *testing.T) {
	t.Parallel()
	r := start(t, jobrunner.Config{Workers: jobrunner.NoWorkers})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := r.Execute(ctx, "", "x")
	require.ErrorIs(t, err, jobrunner.ErrCancelled)
	require.False(t, jobrunner.MayHaveRun(err))
	ctx, cancel = context.WithTimeout(context.Background(), -1)
	defer cancel()
	_, err = r.Execute(ctx, "", "x")
	require.ErrorIs(t, err, jobrunner.ErrTimedOutWaiting)
}

func TestBadJobsAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t, jobrunner.Config{Workers: jobrunner.NoWorkers, MaxMessage: 1 << 16})
	_, err := r.Execute(context.Background(), "a service", "x")
	require.ErrorIs(t, err, jobrunner.ErrRefused)
	require.False(t, jobrunner.MayHaveRun(err))
	_, err = r.ExecuteBytes(context.Background(), "", make([]byte, 1<<16+1))
	require.ErrorIs(t, err, jobrunner.ErrTooLarge)
	require.False(t, jobrunner.MayHaveRun(err))
	_, err = r.Do(context.Background(), jobrunner.Job{Headers: map[string]string{"big": string(make([]byte, 5000))}})
	require.ErrorIs(t, err, jobrunner.ErrTooLarge)
	_, err = r.Do(context.Background(), jobrunner.Job{Headers: map[string]string{"": "x"}})
	require.ErrorIs(t, err, jobrunner.ErrRefused)
}

// TestAWorkerThatForgetsMainIsToldSo: without the check the workers would start
// workers, which would start workers.
func TestAWorkerThatForgetsMainIsToldSo(t *testing.T) {
	t.Setenv("POWERHOSE_WORKER", "1")
	_, err := jobrunner.Start(jobrunner.Config{})
	require.ErrorContains(t, err, "worker.Main")
}

func upper(_ context.Context, s string) (string, error) {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b), nil
}

// A whole program: TestMain above is its main function.
func ExampleStart() {
	// In main, before anything else: worker.Main(worker.Services{"upper": …})
	runner, err := jobrunner.Start(jobrunner.Config{Workers: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer runner.Close()
	answer, err := runner.Execute(context.Background(), "upper", "hello")
	fmt.Println(answer, err)
	// Output: HELLO <nil>
}
