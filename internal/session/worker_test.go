// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/protocol"
)

const ms = time.Millisecond

//
func TestWorkerRegistersOnProbeAndAnswersJobs(t *testing.T) {
	t.Parallel()
	b := newWorkerBench(t, testWorker)
	b.wait(10 * ms)
	b.receive(probe(), "register")
	b.receive(welcome(), "up")
	b.receive(job(7), "start 0: 7/1 #1")
	b.done(0, "result 0: 7/1")
	b.receive(ping(), "send PONG")
	b.receive(pong())
}

//
func TestWorkerStartsInTheOrderReceived(t *testing.T) {
	t.Parallel()
	cfg := testWorker
	cfg.Capacity = 2
	b := registered(t, cfg)
	b.receive(job(1), "start 0: 1/1 #1")
	b.receive(batchOf(2, 3, 4), "start 1: 2/1 #2")
	b.receive(job(5))
	require.Equal(t, 3, b.w.Waiting())
	b.done(1, "result 1: 2/1", "start 1: 3/1 #3")
	b.done(0, "result 0: 1/1", "start 0: 4/1 #4")
	b.done(0, "result 0: 4/1", "start 0: 5/1 #5")
	b.done(1, "result 1: 3/1")
	b.done(1) // nothing runs there
	b.done(2)
	b.done(-1)
	require.Equal(t, 1, b.w.Running())
}

//
func TestWorkerGivesBackWhatItMayNotOrCannotStart(t *testing.T) {
	t.Parallel()
	b := registered(t, testWorker)
	b.receive(jobWith(protocol.WorkerJob{ID: 1, Attempt: 2, TimeLeft: 0}), "return 1/2") // its time is over
	b.receive(jobWith(protocol.WorkerJob{ID: 2, Attempt: 1, TimeLeft: time.Minute, Service: []byte("cube")}), "return 2/1")
	b.receive(job(3), "start 0: 3/1 #3")
	b.receive(batchOf(4, 5, 6))
	b.receive(job(7), "return 7/1") // beyond capacity and prefetch
	b.receive(jobWith(protocol.WorkerJob{ID: 8, Attempt: 1, TimeLeft: 10 * ms}), "return 8/1")
	b.done(0, "result 0: 3/1", "start 0: 4/1 #4")
	b.receive(jobWith(protocol.WorkerJob{ID: 9, Attempt: 1, TimeLeft: 10 * ms, Service: []byte("square")}))
	b.now = 20 * ms
	b.done(0, "result 0: 4/1", "start 0: 5/1 #5")
	b.done(0, "result 0: 5/1", "start 0: 6/1 #6")
	b.done(0, "result 0: 6/1", "return 9/1") // expired while it waited
}

//
func TestWorkerCancelAndRecall(t *testing.T) {
	t.Parallel()
	b := registered(t, testWorker)
	b.receive(batchOf(1, 2, 3, 4), "start 0: 1/1 #1")
	b.receive(reference(protocol.CommandCancel, 2, 2)) // another attempt
	b.receive(reference(protocol.CommandCancel, 2, 1), "return 2/1")
	b.receive(reference(protocol.CommandCancel, 2, 1)) // it has it no more
	b.receive(reference(protocol.CommandRecall, 1, 1)) // it has started
	b.receive(reference(protocol.CommandRecall, 4, 1), "return 4/1")
	b.receive(reference(protocol.CommandRecall, 9, 1))
	b.receive(reference(protocol.CommandCancel, 1, 1), "cancel 0: cancelled")
	b.done(0, "result 0: 1/1", "start 0: 3/1 #3") // a cancelled job is answered all the same
	b.receive(reference(protocol.CommandCancel, 1, 1))
}

//
func TestWorkerPingsAndCountsSilence(t *testing.T) {
	t.Parallel()
	b := registered(t, testWorker)
	b.wait(2500*ms, "@1s send PING", "@2s send PING")
	b.receive(pong())
	b.wait(5900*ms, "@3s send PING", "@4s send PING", "@5s send PING",
		"@5.5s down: silent", "@5.5s reconnect: silent")
	b.receive(probe(), "register")
	b.receive(welcome(), "up")
	b.wait(7*time.Second, "@6.9s send PING")
}

//
func TestWorkerTakesHeartbeatFromWelcome(t *testing.T) {
	t.Parallel()
	b := newWorkerBench(t, testWorker)
	b.receive(probe(), "register")
	b.receive(welcomeWith(protocol.Welcome{Heartbeat: 100 * ms, Liveness: 2}), "up")
	b.wait(250*ms, "@100ms send PING", "@200ms down: silent", "@200ms reconnect: silent")

	b = newWorkerBench(t, testWorker)
	b.receive(probe(), "register")
	b.receive(welcomeWith(protocol.Welcome{Heartbeat: 4 * time.Second, Liveness: 2}), "up")
	// Patience never ends before there was time for a reconnect.
	b.wait(time.Minute, "@4s send PING", "@8s down: silent", "@8s reconnect: silent",
		"@11s reconnect: no answer", "@14s reconnect: no answer", "@16s end: master gone")
}

//
func TestWorkerGivesUpWithoutMaster(t *testing.T) {
	t.Parallel()
	b := newWorkerBench(t, testWorker)
	b.wait(time.Minute, "@3s reconnect: no answer", "@5s end: master gone")
	b.step(WorkerEvent{Kind: WorkerTick})
	b.receive(probe())
	_, ok := b.w.NextDeadline()
	require.False(t, ok)

	// A job that runs is cancelled, but does not keep the worker.
	b = registered(t, testWorker)
	b.receive(job(1), "start 0: 1/1 #1")
	b.wait(time.Minute, "@1s send PING", "@2s send PING",
		"@3s down: silent", "@3s cancel 0: silent", "@3s reconnect: silent", "@5s end: master gone")
}

//
func TestWorkerReconnectsWithoutWelcome(t *testing.T) {
	t.Parallel()
	b := newWorkerBench(t, testWorker)
	b.wait(time.Second)
	b.receive(probe(), "register")
	b.wait(4*time.Second, "@4s reconnect: no answer")
	b.receive(welcome(), "dropped") // of the connection before
	b.receive(probe(), "register")
	b.receive(probe(), "reconnect: disconnected") // the connection was replaced meanwhile
	b.receive(welcome(), "dropped")
	b.receive(probe(), "register")
	b.receive(peerError(protocol.CodeUnregistered))
	b.receive(welcome(), "up")
	b.receive(welcome(), "dropped")
}

//
func TestWorkerRegistersAgainOnlyWhenNothingRuns(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string][][]byte{
		"disconnected": probe(),
		"evicted":      peerError(protocol.CodeUnregistered),
	} {
		b := registered(t, testWorker)
		b.receive(lost, "down: "+name, "register")
		b.receive(welcome(), "up")

		b.receive(batchOf(1, 2), "start 0: 1/1 #1")
		b.receive(lost, "down: "+name, "cancel 0: "+name)
		b.receive(job(3), "dropped")
		b.receive(reference(protocol.CommandCancel, 1, 1))
		b.receive(peerError(protocol.CodeUnregistered))
		b.now += time.Second
		b.receive(ping())
		b.done(0, "register") // no result, and job 2 is forgotten
		b.receive(job(3), "dropped")
		b.receive(welcome(), "up")
		b.receive(job(4), "start 0: 4/1 #1") // counted anew
	}
}

func TestWorkerWedged(t *testing.T) {
	t.Parallel()
	b := registered(t, testWorker)
	b.receive(job(1), "start 0: 1/1 #1")
	b.now = 500 * ms
	b.receive(probe(), "down: disconnected", "cancel 0: disconnected")
	b.wait(4*time.Second, "@3.5s reconnect: no answer") // nobody speaks to one that does not register
	b.receive(probe())
	b.wait(time.Minute, "@5.5s end: wedged")

	// One that gets free in time is not.
	b = registered(t, testWorker)
	b.receive(job(1), "start 0: 1/1 #1")
	b.receive(probe(), "down: disconnected", "cancel 0: disconnected")
	b.wait(4*time.Second, "@3s reconnect: no answer")
	b.done(0)
	b.wait(4900 * ms)
	b.receive(probe(), "register")
	b.wait(6 * time.Second)
	b.receive(welcome(), "up")
}

//
func TestWorkerFencedByLedger(t *testing.T) {
	t.Parallel()
	cfg := testWorker
	cfg.Capacity = 2
	b := registered(t, cfg)
	b.receive(batchOf(1, 2, 3), "start 0: 1/1 #1", "start 1: 2/1 #2")
	b.step(WorkerEvent{Kind: WorkerFenced, Slot: 1}, "cancel 0: evicted", "send PING")
	b.receive(job(4), "dropped")
	b.done(0)
	b.receive(peerError(protocol.CodeUnregistered), "down: evicted", "register")
	b.receive(welcome(), "up")
	b.receive(job(5), "start 0: 5/1 #1")

	// Both jobs of one batch are fenced.
	b.receive(job(6), "start 1: 6/1 #2")
	b.step(WorkerEvent{Kind: WorkerFenced, Slot: 0}, "cancel 1: evicted", "send PING")
	b.step(WorkerEvent{Kind: WorkerFenced, Slot: 1})
	b.step(WorkerEvent{Kind: WorkerFenced, Slot: 1})
	b.receive(peerError(protocol.CodeUnregistered), "down: evicted", "register")
}

func TestWorkerLosesConnection(t *testing.T) {
	t.Parallel()
	b := registered(t, testWorker)
	b.receive(job(1), "start 0: 1/1 #1")
	b.step(WorkerEvent{Kind: WorkerUnsent}, "down: disconnected", "cancel 0: disconnected")
	b.step(WorkerEvent{Kind: WorkerUnsent})
	b.done(0)
	b.receive(probe(), "register")
	b.step(WorkerEvent{Kind: WorkerUnsent}) // the REGISTER itself
	b.receive(probe(), "register")
}

//
func TestWorkerRefused(t *testing.T) {
	t.Parallel()
	for _, code := range []protocol.ErrorCode{
		protocol.CodeVersion, protocol.CodeRefused, protocol.CodeWrongRole, 77,
	} {
		b := newWorkerBench(t, testWorker)
		b.receive(probe(), "register")
		b.receive(peerError(code), "end: refused "+code.String()+": why")
	}
	b := registered(t, testWorker)
	b.receive(peerError(protocol.CodeUnknownCommand), "dropped")
	b.receive(peerError(protocol.CodeTooLarge), "dropped")
	// At a frontend the error is the runner's.
	b.receive([][]byte{protocol.PeerError{Code: protocol.CodeWrongRole}.Append(nil, protocol.RoleRunner)},
		"down: refused", "end: refused wrong role:")
}

//
func TestWorkerListens(t *testing.T) {
	t.Parallel()
	cfg := testWorker
	cfg.Listen = true
	b := registered(t, cfg)
	own := func(frames [][]byte, want ...string) {
		t.Helper()
		b.step(WorkerEvent{Kind: WorkerReceived, Frames: frames, Peer: "m"}, want...)
	}
	own(probe()) // nobody sends one
	b.receive(job(1), "dropped")
	own(job(2), "start 0: 2/1 #1")
	own(job(3))
	own(reference(protocol.CommandRecall, 3, 1), "return 3/1 to m")
	b.done(0, "result 0: 2/1 to m")
	b.receive(ping(), "send PONG")
	own(ping(), "send PONG to m")
}

// Time in which nobody could listen is nobody's silence.
func TestWorkerThatWasStopped(t *testing.T) {
	t.Parallel()
	b := registered(t, testWorker)
	b.now = time.Hour
	b.step(WorkerEvent{Kind: WorkerTick}, "send PING")
	b.wait(time.Hour+2500*ms, "@1h0m1s send PING",
		"@1h0m2s down: silent", "@1h0m2s reconnect: silent")
	b.now += time.Hour
	b.step(WorkerEvent{Kind: WorkerTick})
	b.receive(probe(), "register")
	b.now += time.Hour
	b.receive(welcome(), "up")
}

//
func TestWorkerDropsMalformed(t *testing.T) {
	t.Parallel()
	header := job(1)[0]
	tooLarge := append([]byte(nil), header...)
	tooLarge = append(tooLarge[:26], 65) // service-len
	tooLarge = append(append(tooLarge, strings.Repeat("s", 65)...), 0, 0)
	for name, frames := range map[string][][]byte{
		"short":         {[]byte("PHZ")},
		"no magic":      {[]byte("PHX\x01W\x06")},
		"version":       {[]byte("PHZ\x02W\x06")},
		"role":          {[]byte("PHZ\x01X\x06")},
		"runner":        {[]byte("PHZ\x01R\x06")},
		"unknown":       {[]byte("PHZ\x01W\x7f")},
		"to master":     {[]byte("PHZ\x01W\x01")},
		"ping, frames":  {ping()[0], nil},
		"ping, fields":  {append(ping()[0], 0)},
		"bye, fields":   {append(bye()[0], 0)},
		"pong, fields":  {append(pong()[0], 0)},
		"cancel":        {reference(protocol.CommandCancel, 1, 1)[0][:17]},
		"welcome":       {[]byte("PHZ\x01W\x02")},
		"error":         {[]byte("PHZ\x01W\x0d\x01")},
		"error 0":       {[]byte("PHZ\x01W\x0d\x00\x00\x00")},
		"empty, frames": {nil, nil},
	} {
		b := registered(t, testWorker)
		b.receive(frames, "dropped")
		b.receive(job(1), "start 0: 1/1 #1")
		require.True(t, b.w.Registered(), name)
	}
	// What the master may have counted as a job counts here too.
	b := registered(t, testWorker)
	b.receive([][]byte{header}, "dropped")
	b.receive([][]byte{header[:10], nil}, "dropped")
	b.receive([][]byte{tooLarge, nil}, "dropped")
	b.receive(job(1), "start 0: 1/1 #4")
	cut := batchOf(2, 3)
	cut[0] = cut[0][:len(cut[0])-1]
	b.receive(cut, "dropped")
	b.done(0, "result 0: 1/1", "start 0: 2/1 #5")
	b.done(0, "result 0: 2/1")
	b.receive(job(4), "start 0: 4/1 #262")
	results := protocol.AppendBatchHeader(nil, protocol.RoleWorker)
	results, err := protocol.WorkerResult{ID: 1}.AppendRecord(results, nil)
	require.NoError(t, err)
	b.receive([][]byte{results}, "dropped")
}

func TestWorkerReasonsHaveNames(t *testing.T) {
	t.Parallel()
	for r := WorkerSilent; r <= WorkerRefused; r++ {
		require.NotContains(t, r.String(), "unknown")
	}
	require.Equal(t, "unknown reason", WorkerReason(0).String())
	require.Equal(t, "unknown reason", WorkerReason(200).String())
}
