// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/powerhose/powerhose/internal/call"
	"github.com/powerhose/powerhose/protocol"
)

// BenchmarkJobs sends echo jobs of 100 bytes to a master in the same process
// that answers them itself, so half of the work is the master's. Allocations
// are counted for both sides, of which libzmq's binding has most.
func BenchmarkJobs(b *testing.B) {
	for _, records := range []int{0, 64} {
		for _, callers := range []int{1, 128, 1024} {
			b.Run(fmt.Sprintf("batch=%d/callers=%d", records, callers), func(b *testing.B) {
				m := startMaster(b, address(b), batches(records))
				c := connect(b, Config{Masters: []string{m.endpoint}})
				b.ReportAllocs()
				b.ResetTimer()
				callInTurn(b, c, callers)
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
			})
		}
	}
}

func callInTurn(b *testing.B, c *Client, callers int) {
	var left atomic.Int64
	left.Store(int64(b.N))
	payload := make([]byte, 100)
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			cl := call.New()
			for left.Add(-1) >= 0 {
				cl.Reset()
				cl.Payload, cl.Wait, cl.Deadline = payload, protocol.WaitForever, time.Now().Add(5*time.Second)
				c.Submit(cl)
				<-cl.Done
				if cl.Outcome != protocol.OutcomeOK || cl.MasterLost {
					b.Error(verdictOf(cl))
				}
			}
		})
	}
	all.Wait()
}
