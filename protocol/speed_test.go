// SPDX-License-Identifier: Apache-2.0

package protocol_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/protocol"
)

// A trip is one job from runner to worker and back: every header frame is
// encoded and decoded once. batchTrip does the same with 32 records in each of
// the four messages.
type trip struct {
	buf              []byte
	service, payload []byte
	headers          protocol.Headers
	sum              uint64 // keeps the compiler from dropping the work
}

func newTrip() *trip {
	headers, err := protocol.AppendHeader(nil, "traceparent",
		[]byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
	if err != nil {
		panic(err)
	}
	return &trip{
		buf: make([]byte, 0, 1<<16), service: []byte("crypto"), payload: make([]byte, 100), headers: headers,
	}
}

func (x *trip) runnerJob(id uint64) protocol.RunnerJob {
	return protocol.RunnerJob{
		ID: id, TimeLeft: 5 * us, Wait: protocol.WaitForever, Service: x.service, Headers: x.headers,
	}
}

func (x *trip) workerJob(id uint64) protocol.WorkerJob {
	return protocol.WorkerJob{ID: id, Attempt: 1, TimeLeft: 5 * us, Service: x.service, Headers: x.headers}
}

func workerResult(id uint64) protocol.WorkerResult {
	return protocol.WorkerResult{ID: id, Attempt: 1, Run: 31 * us}
}

func runnerResult(id uint64) protocol.RunnerResult {
	return protocol.RunnerResult{ID: id, MayHaveRun: true}
}

func (x *trip) single() {
	frame, err := x.runnerJob(1).Append(x.buf)
	x.read(protocol.RoleRunner, frame, err)
	frame, err = x.workerJob(2).Append(x.buf)
	x.read(protocol.RoleWorker, frame, err)
	x.read(protocol.RoleWorker, workerResult(2).Append(x.buf), nil)
	x.read(protocol.RoleRunner, runnerResult(1).Append(x.buf), nil)
}

func (x *trip) batch(n uint64) {
	var err error
	frame := protocol.AppendBatchHeader(x.buf, protocol.RoleRunner)
	for id := range n {
		frame, err = x.runnerJob(id).AppendRecord(frame, x.payload)
		x.check(err)
	}
	x.read(protocol.RoleRunner, frame, err)
	frame = protocol.AppendBatchHeader(x.buf, protocol.RoleWorker)
	for id := range n {
		frame, err = x.workerJob(id).AppendRecord(frame, x.payload)
		x.check(err)
	}
	x.read(protocol.RoleWorker, frame, err)
	frame = protocol.AppendBatchHeader(x.buf, protocol.RoleWorker)
	for id := range n {
		frame, err = workerResult(id).AppendRecord(frame, x.payload)
		x.check(err)
	}
	x.read(protocol.RoleWorker, frame, err)
	frame = protocol.AppendBatchHeader(x.buf, protocol.RoleRunner)
	for id := range n {
		frame, err = runnerResult(id).AppendRecord(frame, x.payload)
		x.check(err)
	}
	x.read(protocol.RoleRunner, frame, err)
}

func (x *trip) check(err error) {
	if err != nil {
		panic(err)
	}
}

func (x *trip) read(role protocol.Role, frame []byte, err error) {
	x.check(err)
	h, fields, err := protocol.ParseHeader(frame)
	x.check(err)
	if h.Command != protocol.CommandBatch {
		x.record(role, h.Command, fields)
		return
	}
	r := protocol.ReadBatch(fields)
	for {
		cmd, fields, payload, ok := r.Next()
		if !ok {
			break
		}
		x.record(role, cmd, fields)
		x.sum += uint64(len(payload))
	}
	x.check(r.Err())
}

func (x *trip) record(role protocol.Role, cmd protocol.Command, fields []byte) {
	switch {
	case cmd == protocol.CommandJob && role == protocol.RoleWorker:
		m, err := protocol.ParseWorkerJob(fields)
		x.check(err)
		value, _ := m.Headers.Get("traceparent")
		x.sum += m.ID + uint64(len(value))
	case cmd == protocol.CommandJob:
		m, err := protocol.ParseRunnerJob(fields)
		x.check(err)
		x.sum += m.ID
	case role == protocol.RoleWorker:
		m, err := protocol.ParseWorkerResult(fields)
		x.check(err)
		x.sum += m.ID
	default:
		m, err := protocol.ParseRunnerResult(fields)
		x.check(err)
		x.sum += m.ID
	}
}

// Not parallel: testing.AllocsPerRun counts the allocations of the whole process.
func TestJobsAndResultsDoNotAllocate(t *testing.T) {
	x := newTrip()
	require.Zero(t, testing.AllocsPerRun(100, x.single), "four messages")
	require.Zero(t, testing.AllocsPerRun(100, func() { x.batch(32) }), "four batches of 32")

	hostile := [][]byte{}
	for _, v := range loadVectors(t) {
		if !v.good() && v.message == "" && len(v.frames) == 2 {
			hostile = append(hostile, v.frames[0])
		}
	}
	require.NotEmpty(t, hostile)
	require.Zero(t, testing.AllocsPerRun(10, func() {
		for _, frame := range hostile {
			if _, fields, err := protocol.ParseHeader(frame); err == nil {
				_, _ = protocol.ParseWorkerJob(fields)
				_, _ = protocol.ParseRunnerJob(fields)
				_, _ = protocol.ParseWorkerResult(fields)
				_, _ = protocol.ParseRunnerResult(fields)
			}
		}
	}), "malformed messages")
}

func BenchmarkTrip(b *testing.B) {
	x := newTrip()
	b.ReportAllocs()
	for b.Loop() {
		x.single()
	}
}

func BenchmarkTripOfBatch32(b *testing.B) {
	x := newTrip()
	b.ReportAllocs()
	for b.Loop() {
		x.batch(32)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(32*b.N), "ns/job")
}

func BenchmarkAppendWorkerJob(b *testing.B) {
	x := newTrip()
	b.ReportAllocs()
	for b.Loop() {
		frame, _ := x.workerJob(1).Append(x.buf)
		x.sum += uint64(len(frame))
	}
}

func BenchmarkParseWorkerJob(b *testing.B) {
	x := newTrip()
	frame, _ := x.workerJob(1).Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		_, fields, _ := protocol.ParseHeader(frame)
		m, err := protocol.ParseWorkerJob(fields)
		x.check(err)
		x.sum += m.ID
	}
}

func BenchmarkResult(b *testing.B) {
	x := newTrip()
	b.ReportAllocs()
	for b.Loop() {
		x.read(protocol.RoleWorker, workerResult(1).Append(x.buf), nil)
	}
}

func BenchmarkParseRegistration(b *testing.B) {
	for _, v := range loadVectors(b) {
		if v.name != "worker-register" && v.name != "register-257-times-one-service" && v.name != "register-256-services" {
			continue
		}
		b.Run(v.name, func(b *testing.B) {
			fields := fieldsOf(b, v.frames[0])
			b.ReportAllocs()
			for b.Loop() {
				_, _ = protocol.ParseRegistration(protocol.RoleWorker, fields)
			}
		})
	}
}
