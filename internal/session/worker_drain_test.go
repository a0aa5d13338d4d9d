// SPDX-License-Identifier: Apache-2.0

package session

import (
	"testing"
	"time"

	"github.com/powerhose/powerhose/protocol"
)

//
func TestWorkerDrainsWhatItWasSent(t *testing.T) {
	t.Parallel()
	b := registered(t, testWorker)
	b.receive(batchOf(1, 2), "start 0: 1/1 #1")
	b.drain("send DRAIN")
	b.drain()
	b.receive(job(3)) // it crossed the DRAIN
	b.wait(2500*ms, "@1s send PING", "@2s send PING")
	b.done(0, "result 0: 1/1", "start 0: 2/1 #2")
	b.receive(pong())
	b.done(0, "result 0: 2/1", "start 0: 3/1 #3")
	b.done(0, "result 0: 3/1")
	b.wait(3500*ms, "@3s send PING") // until BYE
	b.receive(bye(), "down: drained", "end: drained")
}

//
func TestWorkerDrainWithoutRegistration(t *testing.T) {
	t.Parallel()
	b := newWorkerBench(t, testWorker)
	b.drain("end: drained")

	// The master may have welcomed it already: whatever it sent is finished.
	b = newWorkerBench(t, testWorker)
	b.receive(probe(), "register")
	b.drain()
	b.receive(welcome(), "up", "send DRAIN")
	b.receive(job(1), "start 0: 1/1 #1")
	b.done(0, "result 0: 1/1")
	b.receive(bye(), "down: drained", "end: drained")

	b = newWorkerBench(t, testWorker)
	b.receive(probe(), "register")
	b.drain()
	b.wait(time.Minute, "@3s end: drained")

	// Handlers of a lost registration are waited for.
	b = registered(t, testWorker)
	b.receive(job(1), "start 0: 1/1 #1")
	b.receive(probe(), "down: disconnected", "cancel 0: disconnected")
	b.drain()
	b.wait(10 * time.Second)
	b.receive(probe())
	b.done(0, "end: drained")
}

func TestWorkerDrainAndLostMaster(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ev   WorkerEvent
		want []string
	}{
		"probe":       {WorkerEvent{Kind: WorkerReceived, Frames: probe()}, []string{"down: disconnected", "end: drained"}},
		"evicted":     {WorkerEvent{Kind: WorkerReceived, Frames: peerError(protocol.CodeUnregistered)}, []string{"down: evicted", "end: drained"}},
		"unsent":      {WorkerEvent{Kind: WorkerUnsent}, []string{"down: disconnected", "end: drained"}},
		"refused":     {WorkerEvent{Kind: WorkerReceived, Frames: peerError(protocol.CodeRefused)}, []string{"down: refused", "end: refused refused: why"}},
		"unasked bye": {WorkerEvent{Kind: WorkerReceived, Frames: bye()}, []string{"down: drained", "end: drained"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := registered(t, testWorker)
			b.drain("send DRAIN")
			b.step(c.ev, c.want...)
		})
	}

	b := registered(t, testWorker)
	b.drain("send DRAIN")
	b.wait(time.Minute, "@1s send PING", "@2s send PING", "@3s down: silent", "@3s end: drained")

	b = registered(t, testWorker)
	b.receive(job(1), "start 0: 1/1 #1")
	b.drain("send DRAIN")
	b.receive(probe(), "down: disconnected", "cancel 0: disconnected")
	b.done(0, "end: drained")
}

func TestWorkerDrainTimeout(t *testing.T) {
	t.Parallel()
	cfg := testWorker
	cfg.DrainTimeout = 1500 * ms
	b := registered(t, cfg)
	b.receive(job(1), "start 0: 1/1 #1")
	b.drain("send DRAIN")
	b.wait(time.Minute, "@1s send PING", "@1.5s send BYE",
		"@1.5s down: drain timeout", "@1.5s cancel 0: drain timeout", "@1.5s end: drain timeout")

	b = registered(t, cfg)
	b.receive(job(1), "start 0: 1/1 #1")
	b.receive(probe(), "down: disconnected", "cancel 0: disconnected")
	b.drain()
	b.wait(time.Minute, "@1.5s end: drain timeout")
}

//
func TestWorkerByeThatNobodyAskedFor(t *testing.T) {
	t.Parallel()
	b := registered(t, testWorker)
	b.receive(job(1), "start 0: 1/1 #1")
	b.receive(bye(), "down: evicted", "cancel 0: evicted")
	b.done(0) // not sent
	b.receive(job(2), "dropped")
	b.wait(4*time.Second, "@3s reconnect: no answer")
	b.receive(probe(), "register")
	b.receive(bye(), "reconnect: evicted")
	b.receive(welcome(), "dropped")
	b.wait(20*time.Second, "@7s reconnect: no answer", "@9s end: master gone")
}
