// SPDX-License-Identifier: Apache-2.0

package worker_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/version"
	"github.com/powerhose/powerhose/protocol"
	"github.com/powerhose/powerhose/worker"
)

func upper(_ context.Context, text string) (string, error) { return strings.ToUpper(text), nil }

//
func TestRegistration(t *testing.T) {
	t.Parallel()
	m := newMaster(t)
	r := start(t, worker.Config{
		Services: worker.Services{"b": worker.Text(upper), "a": worker.Text(upper), "": worker.Text(upper)},
		Backend:  m.endpoint, Capacity: 3,
	})
	reg := m.register()
	require.Equal(t, []string{"", "a", "b"}, reg.Services)
	require.Equal(t, 3, reg.Capacity)
	require.Equal(t, worker.DefaultPrefetch, reg.Prefetch)
	require.Equal(t, 3+worker.DefaultPrefetch, reg.Batch)
	require.Equal(t, os.Getpid(), reg.PID)
	require.NotEmpty(t, reg.Host)
	require.Equal(t, "go", reg.Language)
	require.Equal(t, version.Version, reg.LibraryVersion)
	require.Empty(t, reg.Endpoint)
	require.Contains(t, reg.Identity, fmt.Sprint(os.Getpid()))
	require.FileExists(t, reg.Ledger)
	require.Contains(t, filepath.Base(reg.Ledger), fmt.Sprint(os.Getpid()))

	m.welcome(protocol.Welcome{Ledger: true})
	m.job(1, "a", "text")
	require.Equal(t, "TEXT", m.result(1).payload)
	require.NoFileExists(t, reg.Ledger, "nobody else needs the file")
	m.leave(r)
}

func TestRegistrationOverTCP(t *testing.T) {
	t.Parallel()
	m := newMasterAt(t, "tcp://127.0.0.1:*")
	r := start(t, worker.Config{Services: worker.Services{"": worker.Text(upper)}, Backend: m.endpoint, Identity: "me"})
	reg := m.register()
	require.Equal(t, "me", reg.Identity)
	require.Equal(t, 1, reg.Capacity)
	require.Zero(t, reg.Prefetch)
	require.Zero(t, reg.Batch)
	require.Empty(t, reg.Ledger)
	m.welcome(protocol.Welcome{})
	m.job(1, "", "text")
	require.Equal(t, "TEXT", m.result(1).payload)
	m.leave(r)
}

func TestPrefetchAskedForOrNotWanted(t *testing.T) {
	t.Parallel()
	for prefetch, want := range map[int]int{-1: 0, 5: 5} {
		m := newMaster(t)
		r := start(t, worker.Config{Services: worker.Services{"": worker.Text(upper)}, Backend: m.endpoint, Prefetch: prefetch})
		reg := m.register()
		require.Equal(t, want, reg.Prefetch)
		require.NotEmpty(t, reg.Ledger)
		m.welcome(protocol.Welcome{})
		m.leave(r)
	}
}

//
func TestJobAndItsAnswers(t *testing.T) {
	t.Parallel()
	m := newMaster(t)
	type key struct{}
	services := worker.Services{
		"seen": func(ctx context.Context, job *worker.Job) ([]byte, error) {
			var headers []string
			for name, value := range job.Headers() {
				headers = append(headers, name+"="+value)
			}
			one, ok := job.Header("one")
			_, none := job.Header("none")
			deadline, limited := ctx.Deadline()
			left := time.Until(deadline)
			return fmt.Appendf(nil, "%s %s %v %s %v %v %v %v", job.Service, job.Text(), headers, one, ok, none,
				limited && left > 50*time.Second && left <= time.Minute, ctx.Value(key{})), ctx.Err()
		},
		"nothing": func(context.Context, *worker.Job) ([]byte, error) { return nil, nil },
		"error":   func(context.Context, *worker.Job) ([]byte, error) { return []byte("lost"), errors.New("no luck") },
		"long": func(context.Context, *worker.Job) ([]byte, error) {
			return nil, errors.New("\xff" + strings.Repeat("é", protocol.MaxErrorText))
		},
		"panic":  func(context.Context, *worker.Job) ([]byte, error) { panic(fmt.Errorf("at the disco")) },
		"range":  func(_ context.Context, job *worker.Job) ([]byte, error) { return job.Payload[5:6], nil },
		"goexit": func(context.Context, *worker.Job) ([]byte, error) { runtime.Goexit(); return nil, nil },
	}
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), key{}, "value"))
	w, err := worker.New(worker.Config{Services: services, Backend: m.endpoint})
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	m.admit()

	headers, err := protocol.AppendHeader(nil, "one", []byte("1"))
	require.NoError(t, err)
	headers, err = protocol.AppendHeader(headers, "two", nil)
	require.NoError(t, err)
	m.jobWith(protocol.WorkerJob{ID: 1, Attempt: 1, TimeLeft: time.Minute, Service: []byte("seen"), Headers: headers}, "text")
	got := m.result(1)
	require.Equal(t, "seen text [one=1 two=] 1 true false true value", got.payload)
	require.Equal(t, protocol.StatusOK, got.Status)

	for i, c := range []struct {
		service, want string
		status        byte
	}{
		{"nothing", "", protocol.StatusOK},
		{"error", "no luck", protocol.StatusError},
		{"panic", "panic: at the disco", protocol.StatusError},
		{"range", "panic: runtime error: slice bounds out of range [:6] with capacity 1", protocol.StatusError},
		{"goexit", "the handler ended its goroutine (runtime.Goexit)", protocol.StatusError},
		{"goexit", "the handler ended its goroutine (runtime.Goexit)", protocol.StatusError},
		{"nothing", "", protocol.StatusOK},
	} {
		id := uint64(i + 2)
		m.job(id, c.service, "x")
		got := m.result(id)
		require.Equal(t, c.want, got.payload, c.service)
		require.Equal(t, c.status, got.Status, c.service)
	}
	m.job(20, "long", "")
	got = m.result(20)
	require.LessOrEqual(t, len(got.payload), protocol.MaxErrorText)
	require.Greater(t, len(got.payload), protocol.MaxErrorText-8)
	require.True(t, utf8.ValidString(got.payload))

	m.job(21, "unknown", "")
	m.returned(21)
	m.jobWith(protocol.WorkerJob{ID: 22, Attempt: 1, Service: []byte("nothing")}, "")
	m.returned(22)

	cancel()
	m.expect(protocol.CommandDrain)
	m.send(protocol.AppendBye(nil, protocol.RoleWorker))
	require.NoError(t, recv(t, ended))
	require.ErrorIs(t, w.Run(context.Background()), worker.ErrUsed)
}

//
func TestCapacity(t *testing.T) {
	t.Parallel()
	m := newMaster(t)
	started, release := make(chan string, 10), make(chan struct{})
	r := start(t, worker.Config{
		Services: worker.Services{"": func(_ context.Context, job *worker.Job) ([]byte, error) {
			started <- job.Text()
			<-release
			return nil, nil
		}},
		Backend: m.endpoint, Capacity: 4,
	})
	m.admit()
	m.jobs(1, 6, "", "x")
	for range 4 {
		recv(t, started)
	}
	release <- struct{}{}
	m.results(1)
	recv(t, started)
	require.Empty(t, started)
	close(release)
	m.results(5)
	m.leave(r)
}

//
func TestOversizeResult(t *testing.T) {
	t.Parallel()
	m := newMaster(t)
	r := start(t, worker.Config{
		Services: worker.Services{"": func(_ context.Context, job *worker.Job) ([]byte, error) {
			return make([]byte, protocol.MinMessage+len(job.Payload)), nil
		}},
		Backend: m.endpoint,
	})
	m.register()
	m.welcome(protocol.Welcome{MaxMessage: protocol.MinMessage})
	m.job(1, "", "x")
	got := m.result(1)
	require.Equal(t, protocol.StatusError, got.Status)
	require.Equal(t, "the result has 65537 octets, the largest message is 65536", got.payload)
	m.job(2, "", "")
	require.Len(t, m.result(2).payload, protocol.MinMessage)
	m.leave(r)
}

//
func TestBatches(t *testing.T) {
	t.Parallel()
	m := newMaster(t)
	r := start(t, worker.Config{
		Services: worker.Services{"": worker.Text(upper), "big": func(context.Context, *worker.Job) ([]byte, error) {
			return make([]byte, 20_000), nil
		}},
		Backend: m.endpoint,
	})
	m.register()
	m.welcome(protocol.Welcome{Batch: 4})
	m.jobs(1, 33, "", "text")
	for i, got := range m.results(33) {
		require.Equal(t, uint64(i+1), got.ID)
		require.Equal(t, "TEXT", got.payload)
		require.True(t, got.batched)
	}
	m.jobs(34, 5, "big", "")
	for i, got := range m.results(5) {
		require.Equal(t, uint64(i+34), got.ID)
		require.False(t, got.batched, "a big result is not copied into a batch")
	}
	// A master that grants none is sent none.
	m.refuse(protocol.CodeUnregistered, "")
	m.admit()
	m.job(40, "", "text")
	require.False(t, m.result(40).batched)
	m.leave(r)
}

// A result that waits for a batch does not wait for a slow job.
func TestResultDoesNotWaitForTheNextJob(t *testing.T) {
	t.Parallel()
	m := newMaster(t)
	release := make(chan struct{})
	r := start(t, worker.Config{
		Services: worker.Services{"": worker.Text(upper), "slow": func(context.Context, *worker.Job) ([]byte, error) {
			<-release
			return nil, nil
		}},
		Backend: m.endpoint,
	})
	m.register()
	m.welcome(protocol.Welcome{Batch: 64})
	for id := uint64(1); id < 50; id += 2 {
		both := batchOf(t, id, 1, "", "text")
		both, err := protocol.WorkerJob{ID: id + 1, Attempt: 1, TimeLeft: time.Minute, Service: []byte("slow")}.AppendRecord(both, nil)
		require.NoError(t, err)
		m.send(both)
		require.Equal(t, id, m.results(1)[0].ID)
		release <- struct{}{}
		require.Equal(t, id+1, m.results(1)[0].ID)
	}
	m.leave(r)
}

//
func TestGarbageFromTheMaster(t *testing.T) {
	t.Parallel()
	m := newMaster(t)
	r := start(t, worker.Config{Services: worker.Services{"": worker.Text(upper)}, Backend: m.endpoint})
	m.admit()
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		frame := make([]byte, 1+random.IntN(40))
		for i := range frame {
			frame[i] = byte(random.Uint32())
		}
		if random.IntN(2) == 0 {
			copy(frame, "PHZ\x01W")
			if len(frame) > 5 { // none that ends the registration
				frame[5] = []byte{1, 2, 3, 4, 5, 6, 10, 11, 12, 14, 15}[random.IntN(11)]
			}
		}
		if random.IntN(2) == 0 {
			m.send(frame)
		} else {
			m.send(frame, frame)
		}
	}
	m.job(7, "", "text")
	for {
		switch got := m.next(); got.cmd {
		case protocol.CommandPong, protocol.CommandReturn:
			continue
		default:
			require.Equal(t, protocol.CommandResult, got.cmd)
			require.Equal(t, "TEXT", string(got.payload))
		}
		break
	}
	m.leave(r)
}
