// SPDX-License-Identifier: Apache-2.0

package worker_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
	"github.com/powerhose/powerhose/worker"
)

// BenchmarkJobs measures echo jobs of 100 octets with a scripted master in this
// process that keeps so many with the worker. Allocations are those of both.
func BenchmarkJobs(b *testing.B) {
	for _, c := range []struct{ outstanding, batch, capacity int }{
		{1, 0, 1},
		{1, 64, 1},
		{33, 0, 1},
		{33, 64, 1},
		{36, 64, 4},
	} {
		b.Run(fmt.Sprintf("outstanding=%d/batch=%d/capacity=%d", c.outstanding, c.batch, c.capacity), func(b *testing.B) {
			m := newMaster(b)
			r := start(b, worker.Config{
				Services: worker.Services{"echo": func(_ context.Context, job *worker.Job) ([]byte, error) {
					return job.Payload, nil
				}},
				Backend: m.endpoint, Capacity: c.capacity,
			})
			m.register()
			m.welcome(protocol.Welcome{Batch: c.batch, Prefetch: 32, Heartbeat: time.Minute})
			b.ReportAllocs()
			b.ResetTimer()
			before := processorTime(b)
			m.pump(b, c.outstanding, c.batch)
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
			m.leave(r)
		})
	}
}

// processorTime is what this process has used, both sides and libzmq's threads:
// a figure that other processes on the machine disturb less.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// pump sends b.N jobs, so many at a time, and takes the results.
func (m *master) pump(b *testing.B, outstanding, batch int) {
	payload := make([]byte, 100)
	service := []byte("echo")
	var frame []byte
	sent, done, messages := 0, 0, 0
	for done < b.N {
		for n := min(outstanding-(sent-done), b.N-sent); n > 0; {
			job := protocol.WorkerJob{ID: uint64(sent), Attempt: 1, TimeLeft: time.Minute, Service: service}
			if batch == 0 {
				frame, _ = job.Append(frame[:0])
				require.NoError(b, m.router.SendTo2(m.conn, frame, payload))
				sent, n = sent+1, n-1
				continue
			}
			frame = protocol.AppendBatchHeader(frame[:0], protocol.RoleWorker)
			for range min(n, batch) {
				job.ID = uint64(sent)
				frame, _ = job.AppendRecord(frame, payload)
				sent, n = sent+1, n-1
			}
			require.NoError(b, m.router.SendTo1(m.conn, frame))
		}
		got := m.collect(b)
		done += got
		messages++
	}
	b.ReportMetric(float64(b.N)/float64(messages), "results/turn")
}

// collect waits for results and counts them.
func (m *master) collect(b *testing.B) (n int) {
	for n == 0 {
		require.NoError(b, m.poller.Wait(-1))
		for {
			err := m.router.Recv(&m.msg, nil)
			if errors.Is(err, zmqnet.ErrAgain) {
				break
			}
			head, fields, _ := protocol.ParseHeader(m.msg.Frames[0])
			switch head.Command {
			case protocol.CommandResult:
				n++
			case protocol.CommandBatch:
				records := protocol.ReadBatch(fields)
				for {
					if _, _, _, ok := records.Next(); !ok {
						break
					}
					n++
				}
			}
		}
	}
	return n
}
