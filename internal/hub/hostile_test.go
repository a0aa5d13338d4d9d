// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/internal/call"
	"github.com/powerhose/powerhose/protocol"
)

// residentBytes is how much memory this process has in RAM.
func residentBytes(t testing.TB) int64 {
	text, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	require.NoError(t, err)
	return pages * int64(os.Getpagesize())
}

// goodPeers is a worker and a runner that behave, and a job between them.
type goodPeers struct {
	t  testing.TB
	w  *rawWorker
	r  *rawPeer
	id uint64
}

func startGoodPeers(t testing.TB, h *Hub) *goodPeers {
	g := &goodPeers{t: t, w: startRawWorker(t, h.Backend(), protocol.Registration{Services: []string{"good"}}, echo), r: dial(t, h.Frontend())}
	<-g.w.welcomed
	g.r.register(protocol.RoleRunner, protocol.Registration{Identity: "good"})
	return g
}

func (g *goodPeers) work() {
	g.t.Helper()
	g.id++
	payload := fmt.Sprintf("job %d", g.id)
	g.r.submit(g.id, "good", payload)
	res, got := g.r.result()
	require.Equal(g.t, protocol.RunnerResult{ID: g.id, Outcome: protocol.OutcomeOK, MayHaveRun: true}, res)
	require.Equal(g.t, payload, got)
}

func status(t testing.TB, h *Hub) protocol.MasterStatus {
	s, err := h.Status(context.Background())
	require.NoError(t, err)
	return s
}

// TestGarbageCostsNobodyElseAnything sends both sockets what no peer should,
// and has a job done in between all the time.
func TestGarbageCostsNobodyElseAnything(t *testing.T) {
	t.Parallel()
	h := startServing(t, Config{})
	good := startGoodPeers(t, h)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	noise := func(n int) []byte {
		b := make([]byte, random.IntN(n+1))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	register, err := protocol.AppendRegister(nil, protocol.RoleWorker, protocol.Registration{Identity: "x", Services: []string{"a", "b"}})
	require.NoError(t, err)
	job, err := protocol.RunnerJob{ID: 1, TimeLeft: patience, Service: []byte("echo")}.Append(nil)
	require.NoError(t, err)
	result := protocol.WorkerResult{ID: 1, Attempt: 1}.Append(nil)
	batch, err := protocol.WorkerResult{ID: 1}.AppendRecord(protocol.AppendBatchHeader(nil, protocol.RoleWorker), []byte("y"))
	require.NoError(t, err)
	messages := [][]byte{register, job, result, batch, protocol.AppendPing(nil, protocol.RoleWorker), protocol.AppendDrain(nil, protocol.RoleWorker)}

	back, front := dial(t, h.Backend()), dial(t, h.Frontend())
	for i := range 20000 {
		p := back
		if i%2 == 1 {
			p = front
		}
		frame := noise(200)
		switch random.IntN(6) {
		case 0: // random octets behind a good header
			frame = append([]byte{'P', 'H', 'Z', 1, "WR"[random.IntN(2)], byte(random.IntN(18))}, frame...)
		case 1: // a good message cut short
			m := messages[random.IntN(len(messages))]
			frame = m[:random.IntN(len(m)+1)]
		case 2: // a good message with an octet changed
			m := append([]byte(nil), messages[random.IntN(len(messages))]...)
			m[random.IntN(len(m))] = byte(random.Uint32())
			frame = m
		case 3: // another version
			frame = []byte{'P', 'H', 'Z', byte(random.Uint32()), 'W', 1}
		}
		switch random.IntN(3) {
		case 0:
			p.send(frame)
		case 1:
			p.send(frame, noise(100))
		default:
			p.send(frame, noise(10), noise(10))
		}
		if i%500 == 0 {
			good.work()
		}
	}
	good.work()
	require.NotZero(t, status(t, h).Counters.Malformed)
}

// TestBogusRegistrationsAreBounded registers 100 000 times, from one connection
// and from many, and looks at what the master keeps of that.
func TestBogusRegistrationsAreBounded(t *testing.T) {
	h := startServing(t, Config{MaxWorkers: 50})
	good := startGoodPeers(t, h)
	before := residentBytes(t)

	bad := dial(t, h.Backend())
	for i := range 100000 {
		frame, err := protocol.AppendRegister(nil, protocol.RoleWorker, protocol.Registration{
			Identity: fmt.Sprintf("bogus-%d", i), Services: []string{fmt.Sprintf("service-%d", i)}, Capacity: protocol.MaxCapacity,
		})
		require.NoError(t, err)
		bad.send(frame)
		if i%1000 == 0 {
			good.work()
			for bad.s.Recv(&bad.m, nil) == nil { // a reader, if a hostile one
			}
		}
	}
	kept := residentBytes(t) - before
	t.Logf("memory kept after 100 000 registrations: %d KiB", kept>>10)
	require.Less(t, kept, int64(memoryFactor*64<<20))
	for i := range 100 {
		p := dial(t, h.Backend())
		frame, err := protocol.AppendRegister(nil, protocol.RoleWorker, protocol.Registration{Identity: fmt.Sprintf("many-%d", i)})
		require.NoError(t, err)
		p.send(frame)
		head, _, err := protocol.ParseHeader(p.receive()[0])
		require.NoError(t, err)
		if i > 50 {
			require.Equal(t, protocol.CommandError, head.Command, "beyond MaxWorkers")
		}
	}
	s := status(t, h)
	require.LessOrEqual(t, len(s.Workers), 50)
	require.LessOrEqual(t, len(s.Services), 51)
}

// TestOversizedMessageEndsOnlyItsConnection sends a frame beyond MaxMessage.
func TestOversizedMessageEndsOnlyItsConnection(t *testing.T) {
	t.Parallel()
	h := startServing(t, Config{MaxMessage: protocol.MinMessage})
	good := startGoodPeers(t, h)
	bad := dial(t, h.Frontend())
	bad.register(protocol.RoleRunner, protocol.Registration{Identity: "bad"})
	bad.send(make([]byte, 2*protocol.MinMessage))
	require.Empty(t, bad.receive()[0], "a new connection is probed again")
	good.work()
}

// TestRunnerThatNeverReads submits and never takes its results: it is dropped
// once its queue is full, and others are served.
func TestRunnerThatNeverReads(t *testing.T) {
	t.Parallel()
	h := startServing(t, Config{})
	good := startGoodPeers(t, h)
	bad := dialQueue(t, h.Frontend(), 10)
	bad.register(protocol.RoleRunner, protocol.Registration{Identity: "bad"})
	payload := strings.Repeat("x", 200)
	for i := uint64(0); ; i++ {
		bad.submit(i, "good", payload)
		if i%1000 == 0 {
			good.work()
			if status(t, h).Runners == 1 {
				break
			}
			require.Less(t, i, uint64(200000), "never dropped")
		}
	}
	good.work()
}

// TestBatchesFitTheSmallestMaxMessage fills batches to the brim.
func TestBatchesFitTheSmallestMaxMessage(t *testing.T) {
	t.Parallel()
	e := startEmbedded(t, Config{MaxMessage: protocol.MinMessage})
	w := startRawWorker(t, e.h.Backend(), protocol.Registration{Batch: 256, Prefetch: 256, Capacity: 256}, echo)
	<-w.welcomed
	var calls []*call.Call
	for range 200 {
		c := call.New()
		c.Payload, c.Wait, c.Deadline = make([]byte, 8<<10), protocol.WaitForever, time.Now().Add(patience)
		calls = append(calls, c)
	}
	var all sync.WaitGroup
	for _, c := range calls {
		all.Add(1)
		go func() {
			defer all.Done()
			e.Submit(c)
			<-c.Done
		}()
	}
	all.Wait()
	for _, c := range calls {
		require.Equal(t, protocol.OutcomeOK, c.Outcome)
	}
	require.NoError(t, e.h.failed)
}

// TestWorkerCannotAnswerForOthers has a worker answer jobs it never had, twice,
// and those of another.
func TestWorkerCannotAnswerForOthers(t *testing.T) {
	t.Parallel()
	h := startServing(t, Config{})
	honest, liar := dial(t, h.Backend()), dial(t, h.Backend())
	honest.register(protocol.RoleWorker, protocol.Registration{Identity: "honest", Services: []string{"a"}})
	liar.register(protocol.RoleWorker, protocol.Registration{Identity: "liar", Services: []string{"b"}})
	r := dial(t, h.Frontend())
	r.register(protocol.RoleRunner, protocol.Registration{Identity: "r"})
	r.submit(1, "a", "x")
	job, _ := honest.job()
	for attempt := range uint32(3) {
		liar.answer(protocol.WorkerJob{ID: job.ID, Attempt: attempt}, "forged")
	}
	honest.answer(protocol.WorkerJob{ID: job.ID, Attempt: job.Attempt + 1}, "wrong attempt")
	honest.answer(protocol.WorkerJob{ID: job.ID + 1, Attempt: job.Attempt}, "wrong job")
	honest.answer(job, "true")
	honest.answer(job, "twice")
	res, payload := r.result()
	require.Equal(t, protocol.OutcomeOK, res.Outcome)
	require.Equal(t, "true", payload)
	// Its last answer is behind the right one in the same connection.
	r.submit(2, "a", "y")
	job, _ = honest.job()
	honest.answer(job, "second")
	_, payload = r.result()
	require.Equal(t, "second", payload)
	// The liar's connection is another one: wait for its last message.
	liar.send(protocol.AppendPing(nil, protocol.RoleWorker))
	liar.expect(protocol.CommandPong)
	require.EqualValues(t, 6, status(t, h).Counters.Late)
}
