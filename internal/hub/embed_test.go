// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"bytes"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/call"
	"github.com/powerhose/powerhose/internal/endpoint"
	"github.com/powerhose/powerhose/protocol"
)

func startEmbedded(t testing.TB, cfg Config) *Embedded {
	var err error
	cfg.Backend, err = endpoint.ParseBind("ipc://" + filepath.Join(t.TempDir(), "backend.sock"))
	require.NoError(t, err)
	h, err := New(cfg)
	require.NoError(t, err)
	e, err := h.Embed()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

func execute(e *Embedded, c *call.Call, service string, payload []byte) *call.Call {
	c.Reset()
	c.Service, c.Payload, c.Wait = service, payload, protocol.WaitForever
	c.Deadline = time.Now().Add(30 * time.Second)
	e.Submit(c)
	<-c.Done
	return c
}

func TestEmbeddedAnswersEveryCallerItsOwn(t *testing.T) {
	t.Parallel()
	e := startEmbedded(t, Config{})
	for range 4 {
		startRawWorker(t, e.h.Backend(), protocol.Registration{Batch: 64, Prefetch: 16}, echo)
	}
	var all sync.WaitGroup
	for i := range 200 {
		all.Add(1)
		go func() {
			defer all.Done()
			c := call.New()
			for n := range 100 {
				payload := []byte(fmt.Sprintf("%d/%d", i, n))
				execute(e, c, "", payload)
				if c.Outcome != protocol.OutcomeOK || !bytes.Equal(c.Result, payload) {
					t.Errorf("%s: outcome %v, result %q", payload, c.Outcome, c.Result)
					return
				}
			}
		}()
	}
	all.Wait()
	s, err := e.Status(time.Second)
	require.NoError(t, err)
	require.EqualValues(t, 20000, s.Jobs.Outcomes["ok"])
	require.Zero(t, s.Jobs.Running)
}

func BenchmarkEmbeddedEcho(b *testing.B) {
	for _, callers := range []int{1, 16, 128, 1024} {
		for _, batch := range []int{0, 64} {
			b.Run(fmt.Sprintf("callers=%d/batch=%d", callers, batch), func(b *testing.B) {
				e := startEmbedded(b, Config{})
				for range 2 {
					w := startRawWorker(b, e.h.Backend(), protocol.Registration{Batch: batch, Prefetch: 64}, echo)
					<-w.welcomed
				}
				payload := make([]byte, 100)
				b.ReportAllocs()
				b.ResetTimer()
				var all sync.WaitGroup
				for i := range callers {
					all.Add(1)
					go func() {
						defer all.Done()
						c := call.New()
						for n := i; n < b.N; n += callers {
							execute(e, c, "", payload)
						}
					}()
				}
				all.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
			})
		}
	}
}
