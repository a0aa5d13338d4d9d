// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/powerhose/powerhose/internal/call"
	"github.com/powerhose/powerhose/protocol"

	"github.com/stretchr/testify/require"
)

var lostMaybe = verdict{MasterLost: true, MayHaveRun: true}

func TestKilledMasterIsNoticedAtOnce(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells that a process has ended")
	}
	at := address(t)
	require.Zero(t, listenerPID(strings.TrimPrefix(at, "ipc://")), "nobody listens there")
	p := startProcess(t, at)
	c := connect(t, Config{Masters: []string{at}})
	calls := []*call.Call{newCall("", service("hold")), newCall("", service("hold"))}
	submit(c, calls...)
	p.expect(t, "holding")
	p.expect(t, "holding")
	killed := time.Now()
	p.kill()
	for _, cl := range calls {
		require.Equal(t, lostMaybe, verdictOf(await(t, cl)))
	}
	t.Logf("noticed after %v", time.Since(killed))

	// Jobs wait for the next one.
	cl := newCall("next")
	c.Submit(cl)
	startProcess(t, at)
	done(t, cl, "next")
	require.Equal(t, uint64(2), c.Counters().Registrations)
	require.Equal(t, uint64(2), c.Counters().Lost)
}

func TestKilledMasterUnderLoad(t *testing.T) {
	t.Parallel()
	at := address(t)
	p := startProcess(t, at)
	c := connect(t, Config{Masters: []string{at}})
	var answers, lost atomic.Int64
	var all sync.WaitGroup
	var enough sync.Once
	half := make(chan struct{})
	for i := range 32 {
		all.Go(func() {
			cl := call.New()
			for n := range 300 {
				payload := fmt.Sprintf("%d/%d", i, n)
				c.Submit(again(cl, payload))
				<-cl.Done
				switch v := verdictOf(cl); {
				case v == verdict{MayHaveRun: true} && string(cl.Result) == payload:
				case v == lostMaybe:
					lost.Add(1)
				default:
					t.Errorf("%+v %q", v, cl.Result)
				}
				if answers.Add(1) == 2000 {
					enough.Do(func() { close(half) })
				}
			}
		})
	}
	<-half
	p.kill()
	startProcess(t, at)
	all.Wait()
	require.LessOrEqual(t, lost.Load(), int64(32), "each caller loses one job at most")
}

func TestFailover(t *testing.T) {
	t.Parallel()
	first, second := address(t), startMaster(t, address(t))
	c := dial(t, Config{Masters: []string{first, second.endpoint}})
	cl := newCall("a", service("seen"))
	c.Submit(cl)
	done(t, cl, "a")
	second.awaitSeen(t)

	// The first comes, and gets the jobs; it goes, and the second has them.
	p := startProcess(t, first)
	awaitMaster(t, c, first)
	held, retried := newCall("", service("hold")), newCall("again", service("hold"))
	retried.Retries = 1
	submit(c, held, retried)
	p.expect(t, "holding")
	p.expect(t, "holding")
	p.kill()
	require.Equal(t, lostMaybe, verdictOf(await(t, held)))
	job := second.awaitSeen(t)
	require.Equal(t, "again", job.payload)
	require.Zero(t, job.Retries)
	second.answerHeld(protocol.OutcomeOK, true)
	done(t, retried, "held")
	c.Submit(again(cl, "b", service("seen")))
	done(t, cl, "b")
	second.awaitSeen(t)

	m := startMaster(t, first)
	awaitMaster(t, c, first)
	c.Submit(again(cl, "c", service("seen")))
	done(t, cl, "c")
	m.awaitSeen(t)
}

func TestDrainingMaster(t *testing.T) {
	t.Parallel()
	first, second := startMaster(t, address(t)), startMaster(t, address(t))
	c := connect(t, Config{Masters: []string{first.endpoint, second.endpoint}})
	awaitMaster(t, c, first.endpoint)
	kept, refused := newCall("", service("hold")), newCall("mine", service("hold"))
	submit(c, kept, refused)
	id := first.awaitSeen(t).ID
	require.NotEqual(t, id, first.awaitSeen(t).ID)
	first.do(func() {
		h := first.held[1]
		first.held = first.held[:1]
		first.answer(h.peer, protocol.RunnerResult{ID: h.id, Outcome: protocol.OutcomeClosed}, nil)
	})
	require.Equal(t, "mine", second.awaitSeen(t).payload)
	second.answerHeld(protocol.OutcomeOK, true)
	done(t, refused, "held")
	first.tell(protocol.AppendDrain(nil, protocol.RoleRunner))
	first.answerHeld(protocol.OutcomeOK, true)
	done(t, kept, "held")
	select {
	case <-first.byes:
	case <-time.After(patience):
		require.FailNow(t, "no BYE to a master that owes nothing")
	}
}

// A master that was stopped and started in one go: the connection is new.
func TestConnectionThatBreaks(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]string{"ipc": address(t), "tcp": "tcp://127.0.0.1:*"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := startMaster(t, at, heartbeat(50*time.Millisecond))
			c := connect(t, Config{Masters: []string{m.endpoint}})
			cl, held := newCall(""), newCall("", service("hold"))
			c.Submit(held)
			m.awaitSeen(t)
			m.stop()
			startMaster(t, m.endpoint)
			require.Equal(t, lostMaybe, verdictOf(await(t, held)))
			c.Submit(cl)
			done(t, cl, "")
		})
	}
}

func TestSilentMaster(t *testing.T) {
	t.Parallel()
	m := startMaster(t, address(t), heartbeat(100*time.Millisecond))
	c := connect(t, Config{Masters: []string{m.endpoint}})
	cl := newCall("", service("hold"))
	c.Submit(cl)
	m.awaitSeen(t)
	eventually(t, func() (several bool) {
		m.do(func() { several = m.pings > 2 })
		return several
	})
	m.do(func() { m.mute = true })
	require.Equal(t, lostMaybe, verdictOf(await(t, cl)))
	m.do(func() { m.mute = false })
	c.Submit(again(cl, "back"))
	done(t, cl, "back")
}

func TestMasterThatForgetsUs(t *testing.T) {
	t.Parallel()
	m := startMaster(t, address(t), heartbeat(20*time.Millisecond))
	c := connect(t, Config{Masters: []string{m.endpoint}})
	cl := newCall("", service("hold"))
	c.Submit(cl)
	m.awaitSeen(t)
	m.do(func() { clear(m.peers) })
	require.Equal(t, lostMaybe, verdictOf(await(t, cl))) // by the answer to a PING
	c.Submit(again(cl, "back"))
	done(t, cl, "back")
}

func TestFullPipe(t *testing.T) {
	t.Parallel()
	m := startMaster(t, address(t), heartbeat(time.Minute))
	c := connect(t, Config{Masters: []string{m.endpoint}, queueLength: 8, fullAfter: 4})
	blocked, free := make(chan struct{}), make(chan struct{})
	go m.do(func() { close(blocked); <-free })
	<-blocked
	// The kernel takes some, libzmq 16, the rest waits here.
	payload := strings.Repeat("x", 100_000)
	var calls []*call.Call
	for i := range 200 {
		calls = append(calls, newCall(fmt.Sprintf("%d %s", i, payload), service("seen")))
	}
	submit(c, calls...)
	cancelled := calls[len(calls)-1]
	c.Cancel(cancelled)
	require.Equal(t, verdict{Outcome: protocol.OutcomeCancelled}, verdictOf(await(t, cancelled)))
	expired := newCall("", within(10*time.Millisecond))
	c.Submit(expired)
	require.Equal(t, verdict{Outcome: protocol.OutcomeTimedOutWaiting}, verdictOf(await(t, expired)))
	close(free)
	for i, cl := range calls[:len(calls)-1] {
		done(t, cl, string(cl.Payload))
		require.True(t, strings.HasPrefix(m.awaitSeen(t).payload, fmt.Sprintf("%d ", i)), "out of order")
	}
	require.Equal(t, uint64(1), c.Counters().Registrations)
}

func TestTenThousandJobsOutstanding(t *testing.T) {
	t.Parallel()
	m := startMaster(t, address(t), heartbeat(time.Minute))
	c := connect(t, Config{Masters: []string{m.endpoint}})
	blocked, free := make(chan struct{}), make(chan struct{})
	go m.do(func() { close(blocked); <-free })
	<-blocked
	calls := make([]*call.Call, 10_000)
	for i := range calls {
		calls[i] = newCall(fmt.Sprint(i))
	}
	submit(c, calls...)
	inside(t, c, func() { _, j := c.session.Next(); require.Nil(t, j, "they are all sent") })
	close(free)
	for i, cl := range calls {
		done(t, cl, fmt.Sprint(i))
	}
	require.Equal(t, uint64(1), c.Counters().Registrations)
}

func TestGarbageFromTheMaster(t *testing.T) {
	t.Parallel()
	m := startMaster(t, address(t))
	c := connect(t, Config{Masters: []string{m.endpoint}})
	result := protocol.RunnerResult{ID: 12345}.Append(nil)
	batch, err := protocol.RunnerResult{ID: 54321}.AppendRecord(protocol.AppendBatchHeader(nil, protocol.RoleRunner), []byte("x"))
	require.NoError(t, err)
	welcome, err := m.welcome.Append(nil, protocol.RoleRunner)
	require.NoError(t, err)
	job, err := protocol.RunnerJob{}.AppendRecord(protocol.AppendBatchHeader(nil, protocol.RoleRunner), nil)
	require.NoError(t, err)
	changed := func(frame []byte, at int, to byte) []byte {
		frame = append([]byte(nil), frame...)
		frame[at] = to
		return frame
	}
	malformed := [][][]byte{
		{[]byte("x")},
		{[]byte("PHZ\x01R")},
		{[]byte("PHX\x01R\x07")},
		{[]byte("PHZ\x02R\x07")},
		{[]byte("PHZ\x01W\x07")},
		{[]byte("PHZ\x01X\x07")},
		{[]byte("PHZ\x01R\x63")},
		{[]byte("PHZ\x01R\x03")},
		{[]byte("PHZ\x01R\x07more")},
		{[]byte("PHZ\x01R\x07"), nil},
		{[]byte("PHZ\x01R\x0c")},
		{[]byte("PHZ\x01R\x02\x00")},
		{[]byte("PHZ\x01R\x0d\x00\x00\x00")},
		{[]byte("PHZ\x01R\x0e")},
		{nil, []byte("x")},
		{result},
		{result[:len(result)-1], nil},
		{changed(result, protocol.HeaderSize+8, 200), nil},
		{changed(result, protocol.HeaderSize+9, 2), nil},
		{batch[:len(batch)-1]},
		{append(batch[:len(batch):len(batch)], batch[protocol.HeaderSize:protocol.HeaderSize+9]...)},
		{job},
	}
	for _, frames := range malformed {
		m.tell(frames...)
	}
	// These are in order, but nothing waits for them.
	harmless := [][][]byte{
		{result, nil},
		{batch},
		{welcome},
		{protocol.AppendStatus(nil), []byte("{}")},
		{protocol.PeerError{Code: protocol.CodeTooLarge, Text: "\x1b[2J"}.Append(nil, protocol.RoleRunner)},
		{protocol.AppendPing(nil, protocol.RoleRunner)},
	}
	for _, frames := range harmless {
		m.tell(frames...)
	}
	cl := newCall("still here")
	c.Submit(cl)
	done(t, cl, "still here")
	n := c.Counters()
	require.Equal(t, uint64(len(malformed)), n.Malformed)
	require.Equal(t, uint64(3), n.Late) // the record before a malformed one stands
	require.Equal(t, uint64(1), n.Unexpected)
	require.Equal(t, uint64(1), n.Errors)
	require.Equal(t, uint64(1), n.Registrations)
}

// Whatever comes, the client neither panics nor gets stuck.
func TestRandomMessagesFromTheMaster(t *testing.T) {
	t.Parallel()
	m := startMaster(t, address(t))
	c := connect(t, Config{Masters: []string{m.endpoint}})
	result, err := protocol.RunnerResult{ID: 1 << 24}.AppendRecord(protocol.AppendBatchHeader(nil, protocol.RoleRunner), []byte("x"))
	require.NoError(t, err)
	welcome, err := m.welcome.Append(nil, protocol.RoleRunner)
	require.NoError(t, err)
	seeds := [][]byte{
		result, welcome, protocol.RunnerResult{ID: 1 << 24}.Append(nil), protocol.AppendStatus(nil),
		protocol.PeerError{Code: protocol.CodeUnregistered, Text: "no"}.Append(nil, protocol.RoleRunner),
		protocol.AppendDrain(nil, protocol.RoleRunner), protocol.AppendPing(nil, protocol.RoleRunner),
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		frame := bytes.Clone(seeds[r.IntN(len(seeds))])
		for range r.IntN(4) {
			frame[r.IntN(len(frame))] = byte(r.IntN(256))
		}
		frames := [][]byte{frame[:len(frame)-r.IntN(2)*r.IntN(len(frame))], {1}}
		m.tell(frames[:1+r.IntN(2)]...)
	}
	eventually(t, func() bool { // a try may be lost with a registration
		cl := newCall("alive")
		c.Submit(cl)
		return verdictOf(await(t, cl)) == verdict{MayHaveRun: true} && string(cl.Result) == "alive"
	})
	require.Positive(t, c.Counters().Malformed)
}

// libzmq accepts more frames than anybody needs.
func TestTooManyFramesFromTheMaster(t *testing.T) {
	t.Parallel()
	m := startMaster(t, address(t))
	c := connect(t, Config{Masters: []string{m.endpoint}})
	m.do(func() {
		for peer := range m.peers {
			require.NoError(t, m.router.SendTo2(peer, nil, nil))
		}
	})
	cl := newCall("")
	c.Submit(cl)
	done(t, cl, "")
	require.Equal(t, uint64(1), c.Counters().Malformed)
}

func TestMasterThatRefuses(t *testing.T) {
	t.Parallel()
	m, other := startMaster(t, address(t)), startMaster(t, address(t))
	m.do(func() { m.refuse = protocol.CodeRefused })
	c := dial(t, Config{Masters: []string{m.endpoint, other.endpoint}})
	awaitMaster(t, c, other.endpoint)
	cl := newCall("elsewhere")
	c.Submit(cl)
	done(t, cl, "elsewhere")

	lonely := dial(t, Config{Masters: []string{m.endpoint}})
	eventually(t, func() bool {
		_, err := lonely.Status(time.Millisecond)
		require.ErrorIs(t, err, ErrNoMaster)
		require.NotContains(t, err.Error(), "\n")
		return strings.Contains(err.Error(), `refused: refused: "no\n"`)
	})
}

func TestSocketThatBreaks(t *testing.T) {
	t.Parallel()
	m := startMaster(t, address(t))
	c := connect(t, Config{Masters: []string{m.endpoint}})
	held := newCall("", service("hold"))
	c.Submit(held)
	m.awaitSeen(t)
	breakSocket := func() { _ = c.links[0].socket.Close(0) }
	inside(t, c, func() { breakSocket(); c.links[0].touched = true })
	require.Equal(t, lostMaybe, verdictOf(await(t, held)))
	cl := newCall("a new one")
	c.Submit(cl)
	done(t, cl, "a new one")

	// The same while sending.
	for _, name := range []string{"", "seen"} {
		again(cl, "once more", service(name))
		inside(t, c, func() { breakSocket(); c.Submit(cl) })
		done(t, cl, "once more")
	}
}
