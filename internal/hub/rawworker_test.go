// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// rawWorker is a worker as simple as the protocol allows: one goroutine that
// registers when probed and answers each job at once. It knows batches if it
// offered them.
type rawWorker struct {
	reg    protocol.Registration
	handle func(service string, payload []byte) ([]byte, error)

	welcomed chan protocol.Welcome
	stop     atomic.Bool
	done     chan struct{}
	poller   *zmqnet.Poller
}

var rawWorkers atomic.Int64

// startRawWorker connects a worker to backend; the test's end stops it.
func startRawWorker(t testing.TB, backend string, reg protocol.Registration, handle func(service string, payload []byte) ([]byte, error)) *rawWorker {
	if reg.Identity == "" {
		reg.Identity = fmt.Sprintf("raw-%d", rawWorkers.Add(1))
	}
	w := &rawWorker{reg: reg, handle: handle, welcomed: make(chan protocol.Welcome, 16), done: make(chan struct{})}
	s, err := zmqnet.NewDealer(zmqnet.Options{SendHWM: 20000, RecvHWM: 20000})
	require.NoError(t, err)
	require.NoError(t, s.Connect(backend))
	w.poller, err = zmqnet.NewPoller()
	require.NoError(t, err)
	w.poller.Add(s)
	go w.run(t, s)
	t.Cleanup(w.close)
	return w
}

func (w *rawWorker) close() {
	w.stop.Store(true)
	w.poller.Wake()
	<-w.done
}

func (w *rawWorker) run(t testing.TB, s *zmqnet.Socket) {
	defer close(w.done)
	defer func() {
		w.poller.Remove(s)
		_ = s.Close(0)
		_ = w.poller.Close()
	}()
	var m zmqnet.Message
	var buf []byte
	for !w.stop.Load() {
		err := s.Recv(&m, nil)
		if errors.Is(err, zmqnet.ErrAgain) {
			if err = w.poller.Wait(-1); err == nil {
				continue
			}
		}
		if err != nil {
			t.Errorf("raw worker: %v", err)
			return
		}
		if m.IsProbe() {
			frame, err := protocol.AppendRegister(nil, protocol.RoleWorker, w.reg)
			if err == nil {
				err = s.Send1(frame)
			}
			if err != nil {
				t.Errorf("raw worker: register: %v", err)
			}
			continue
		}
		head, fields, err := protocol.ParseHeader(m.Frames[0])
		if err != nil {
			t.Errorf("raw worker: %v", err)
			continue
		}
		switch head.Command {
		case protocol.CommandWelcome:
			welcome, err := protocol.ParseWelcome(fields)
			if err != nil {
				t.Errorf("raw worker: %v", err)
			}
			w.welcomed <- welcome
		case protocol.CommandJob:
			res, payload := w.do(fields, m.Frames[1])
			buf = res.Append(buf[:0])
			_ = s.Send2(buf, payload)
		case protocol.CommandBatch:
			records := protocol.ReadBatch(fields)
			buf = protocol.AppendBatchHeader(buf[:0], protocol.RoleWorker)
			for {
				_, fields, payload, ok := records.Next()
				if !ok {
					break
				}
				res, result := w.do(fields, payload)
				buf, _ = res.AppendRecord(buf, result)
			}
			_ = s.Send1(buf)
		case protocol.CommandPing:
			_ = s.Send1(protocol.AppendPong(nil, protocol.RoleWorker))
		}
	}
}

func (w *rawWorker) do(fields, payload []byte) (protocol.WorkerResult, []byte) {
	job, err := protocol.ParseWorkerJob(fields)
	if err != nil {
		panic(err)
	}
	res := protocol.WorkerResult{ID: job.ID, Attempt: job.Attempt, Run: 1000}
	result, err := w.handle(string(job.Service), payload)
	if err != nil {
		res.Status = protocol.StatusError
		result = []byte(err.Error())
	}
	return res, result
}

func echo(_ string, payload []byte) ([]byte, error) { return payload, nil }
