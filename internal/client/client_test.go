// SPDX-License-Identifier: Apache-2.0

package client

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/powerhose/powerhose/internal/call"
	"github.com/powerhose/powerhose/internal/session"
	"github.com/powerhose/powerhose/protocol"

	"github.com/stretchr/testify/require"
)

func TestSubmitCarriesQuestionAndAnswer(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*protocol.Welcome){"alone": batches(0), "in batches": batches(16)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := startMaster(t, address(t), change)
			c := connect(t, Config{Masters: []string{m.endpoint}})
			headers, err := protocol.AppendHeader(nil, "trace", []byte("1"))
			require.NoError(t, err)
			cl := newCall("question", service("seen"))
			cl.Headers, cl.Wait, cl.Retries = headers, 10*time.Second, 3
			c.Submit(cl)
			done(t, cl, "question")
			job := m.awaitSeen(t)
			require.Equal(t, headers, job.Headers)
			require.Equal(t, uint8(3), job.Retries)
			require.LessOrEqual(t, job.Wait, 10*time.Second)
			require.Greater(t, job.Wait, time.Second)
			require.LessOrEqual(t, job.TimeLeft, time.Minute-session.MaxMargin)

			c.Submit(again(cl, ""))
			done(t, cl, "")
			c.Submit(again(cl, "x", service("seen")))
			done(t, cl, "x")
			require.Equal(t, protocol.WaitForever, m.awaitSeen(t).Wait)
			large := strings.Repeat("x", smallPayload+1)
			c.Submit(again(cl, large))
			done(t, cl, large)
		})
	}
}

func TestEveryOutcomeIsTold(t *testing.T) {
	t.Parallel()
	m := startMaster(t, address(t), batches(4))
	c := connect(t, Config{Masters: []string{m.endpoint}})
	for o := protocol.OutcomeOK; o < protocol.OutcomeClosed; o++ {
		cl := newCall("text", service(fmt.Sprintf("outcome-%d", o)))
		c.Submit(cl)
		await(t, cl)
		mayHaveRun := o < 2 || o == protocol.OutcomeTimedOutRunning || o == protocol.OutcomeWorkerLost
		require.Equal(t, verdict{Outcome: o, MayHaveRun: mayHaveRun}, verdictOf(cl))
		require.Equal(t, 7*time.Millisecond, cl.RetryAfter)
		require.Equal(t, "text", string(cl.Result))
	}
}

func TestOverTCP(t *testing.T) {
	t.Parallel()
	m := startMaster(t, "tcp://127.0.0.1:*", batches(4))
	c := connect(t, Config{Masters: []string{m.endpoint}})
	cl := newCall("over tcp")
	c.Submit(cl)
	done(t, cl, "over tcp")
}

func TestManyCallers(t *testing.T) {
	t.Parallel()
	const callers, jobs = 200, 100
	for name, change := range map[string]func(*protocol.Welcome){"alone": batches(0), "in batches": batches(64)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := startMaster(t, address(t), change)
			c := connect(t, Config{Masters: []string{m.endpoint}})
			var all sync.WaitGroup
			for i := range callers {
				all.Go(func() {
					cl := call.New()
					for n := range jobs {
						payload := fmt.Sprintf("%d/%d", i, n)
						if n%10 == 9 {
							payload += strings.Repeat("x", smallPayload)
						}
						c.Submit(again(cl, payload))
						<-cl.Done
						if string(cl.Result) != payload || cl.Outcome != protocol.OutcomeOK || cl.MasterLost {
							t.Errorf("job %d/%d: %+v", i, n, verdictOf(cl))
						}
					}
				})
			}
			all.Wait()
			require.Zero(t, c.Counters().Late)
			require.Zero(t, c.Counters().Malformed)
		})
	}
}

func TestBatchesKeepTheOrder(t *testing.T) {
	t.Parallel()
	m := startMaster(t, address(t), batches(8))
	c := dial(t, Config{Masters: []string{m.endpoint}})
	// Submitted before the master is up, they are all there at once.
	var calls []*call.Call
	for i := range 1000 {
		payload := fmt.Sprint(i)
		switch {
		case i%7 == 0:
			payload += strings.Repeat(" ", smallPayload)
		case i > 500:
			payload += strings.Repeat(" ", smallPayload-10) // a frame is full before it has 8
		}
		calls = append(calls, newCall(payload, service("seen")))
	}
	submit(c, calls...)
	for i, cl := range calls {
		done(t, cl, string(cl.Payload))
		require.Equal(t, fmt.Sprint(i), strings.TrimSpace(m.awaitSeen(t).payload))
	}
	n := 0
	m.do(func() { n = m.batches })
	require.Positive(t, n)
	require.Less(t, n, 1000)
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	tooLarge := verdict{Outcome: protocol.OutcomeTooLarge}
	m := startMaster(t, address(t), largest(100_000))
	c := dial(t, Config{Masters: []string{m.endpoint}, MaxMessage: 200_000})
	beyondMaster, beyondUs := strings.Repeat("x", 100_001), strings.Repeat("x", 200_001)
	unsent := newCall(beyondMaster)
	c.Submit(unsent) // most likely before the master is known
	require.Equal(t, tooLarge, verdictOf(await(t, unsent)))
	awaitMaster(t, c, m.endpoint)
	for _, payload := range []string{beyondMaster, beyondUs} {
		cl := newCall(payload)
		c.Submit(cl)
		require.Equal(t, tooLarge, verdictOf(await(t, cl)))
	}
	cl := newCall(beyondMaster[1:])
	c.Submit(cl)
	done(t, cl, beyondMaster[1:])
}

func TestImpossibleJobs(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*protocol.Welcome){"alone": batches(0), "in batches": batches(4)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := startMaster(t, address(t), change)
			c := dial(t, Config{Masters: []string{m.endpoint}})
			before, after := newCall("before"), newCall("after")
			badService, longService := newCall("", service("two words")), newCall("", service(strings.Repeat("x", 65)))
			badHeaders := newCall("")
			badHeaders.Headers = []byte{7}
			submit(c, before, badService, longService, badHeaders, after)
			require.Equal(t, verdict{Outcome: protocol.OutcomeRefused}, verdictOf(await(t, badService)))
			require.Equal(t, verdict{Outcome: protocol.OutcomeTooLarge}, verdictOf(await(t, longService)))
			require.Equal(t, verdict{Outcome: protocol.OutcomeRefused}, verdictOf(await(t, badHeaders)))
			done(t, before, "before")
			done(t, after, "after")
		})
	}
}

func TestDialRefusesConfig(t *testing.T) {
	t.Parallel()
	many := make([]string, maxMasters+1)
	for i := range many {
		many[i] = fmt.Sprintf("ipc:///tmp/%d", i)
	}
	for _, c := range []struct {
		cfg  Config
		text string
	}{
		{Config{Masters: []string{"ipc://relative"}}, "not absolute"},
		{Config{Masters: []string{"http://example.org"}}, "ipc:// or tcp://"},
		{Config{Masters: []string{"tcp://example.org:5000"}}, "Config.Insecure"},
		{Config{Masters: []string{"ipc:///tmp/a", "ipc:///tmp//a"}}, "there twice"},
		{Config{Masters: many}, "at most 64"},
		{Config{Masters: []string{"ipc:///tmp/a"}, MaxMessage: 1000}, "MaxMessage"},
		{Config{Masters: []string{"ipc:///tmp/a"}, MaxMessage: 2 << 30}, "MaxMessage"},
		{Config{Masters: []string{"ipc:///tmp/a"}, Identity: "a b"}, "Identity"},
	} {
		_, err := Dial(c.cfg)
		require.ErrorContains(t, err, c.text)
	}
	c := dial(t, Config{Masters: []string{"tcp://192.0.2.1:5000"}, Insecure: true})
	require.NoError(t, c.Close())
}

func TestDialUsesTheDefaultMaster(t *testing.T) {
	m := startMaster(t, address(t))
	t.Setenv("POWERHOSE_FRONTEND", m.endpoint)
	c := dial(t, Config{Identity: "me"})
	awaitMaster(t, c, m.endpoint)
	m.do(func() {
		for _, reg := range m.peers {
			require.Equal(t, "me", reg.Identity)
			require.Equal(t, "go", reg.Language)
			require.Positive(t, reg.PID)
		}
	})
}

func TestCancel(t *testing.T) {
	t.Parallel()
	m := startMaster(t, address(t), batches(4))
	c := dial(t, Config{Masters: []string{m.endpoint, address(t)}})

	t.Run("without a master", func(t *testing.T) {
		lonely := dial(t, Config{Masters: []string{address(t)}})
		cl := newCall("")
		lonely.Submit(cl)
		lonely.Cancel(cl)
		require.Equal(t, verdict{Outcome: protocol.OutcomeCancelled}, verdictOf(await(t, cl)))
		c.Cancel(cl) // not its client
		c.Cancel(call.New())
	})
	t.Run("the master does not answer", func(t *testing.T) {
		cl := newCall("", service("hold"))
		c.Submit(cl)
		job := m.awaitSeen(t)
		c.Cancel(cl)
		require.Equal(t, verdict{Outcome: protocol.OutcomeCancelled, MayHaveRun: true}, verdictOf(await(t, cl)))
		for told := false; !told; yield() { // it may come after the verdict
			m.do(func() { told = slices.Contains(m.cancels, job.ID) })
		}
		m.answerHeld(protocol.OutcomeOK, true)
		c.Submit(again(cl, "next"))
		done(t, cl, "next")
		require.Equal(t, uint64(1), c.Counters().Late)
		c.Cancel(cl) // answered: nothing happens
	})
	t.Run("the result comes nevertheless", func(t *testing.T) {
		cl := newCall("", service("hold"))
		c.Submit(cl)
		m.awaitSeen(t)
		m.do(func() {
			c.Cancel(cl)
			for _, h := range m.held {
				m.answer(h.peer, protocol.RunnerResult{ID: h.id, MayHaveRun: true}, []byte("held"))
			}
			m.held = nil
		})
		await(t, cl)
		if cl.Outcome != protocol.OutcomeCancelled { // as on a machine that stood still
			hasResult(t, cl, "held")
		}
	})
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	m := startMaster(t, address(t), batches(4))
	c := connect(t, Config{Masters: []string{m.endpoint}})
	t.Run("without a master", func(t *testing.T) {
		t.Parallel()
		lonely := dial(t, Config{Masters: []string{address(t)}})
		cl := newCall("", within(20*time.Millisecond))
		lonely.Submit(cl)
		require.Equal(t, verdict{MasterLost: true}, verdictOf(await(t, cl)))
		cl = newCall("")
		cl.Wait = 0
		lonely.Submit(cl)
		require.Equal(t, verdict{MasterLost: true}, verdictOf(await(t, cl)))
	})
	t.Run("passed", func(t *testing.T) {
		t.Parallel()
		for _, d := range []time.Duration{0, -time.Hour} {
			cl := newCall("", within(d))
			c.Submit(cl)
			require.Equal(t, verdict{Outcome: protocol.OutcomeTimedOutWaiting}, verdictOf(await(t, cl)))
		}
		cl := newCall("", func(c *call.Call) { c.Deadline = time.Time{} })
		c.Submit(cl)
		require.Equal(t, verdict{Outcome: protocol.OutcomeTimedOutWaiting}, verdictOf(await(t, cl)))
	})
	t.Run("no verdict", func(t *testing.T) {
		t.Parallel()
		cl := newCall("", service("hold"), within(20*time.Millisecond))
		c.Submit(cl)
		await(t, cl)
		require.False(t, time.Now().Before(cl.Deadline))
		require.Equal(t, verdict{Outcome: protocol.OutcomeTimedOutRunning, MayHaveRun: true}, verdictOf(cl))
	})
	t.Run("the master's verdict is in time", func(t *testing.T) {
		t.Parallel()
		// A machine that stands still can spoil one try, hardly all.
		for range 50 {
			cl := newCall("", service("late"), within(640*time.Millisecond))
			c.Submit(cl)
			await(t, cl)
			if string(cl.Result) == "the master says so" {
				require.Equal(t, verdict{Outcome: protocol.OutcomeTimedOutWaiting}, verdictOf(cl))
				return
			}
		}
		require.Fail(t, "it never was")
	})
}
