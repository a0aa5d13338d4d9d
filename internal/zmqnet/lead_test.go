// SPDX-License-Identifier: Apache-2.0

package zmqnet

import (
	"context"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// asked is a question on its way.
type asked struct {
	Sleep
	callers *Callers
	last    func()        // called before the asker parks, if not nil
	parked  chan struct{} // receives when the asker parks, if not nil
	done    chan struct{}
}

func (a *asked) Park(w *Waiter) {
	if w != nil && a.last != nil {
		a.last()
	}
	a.Sleep.Park(w)
	if w != nil && a.parked != nil {
		select {
		case a.parked <- struct{}{}:
		default:
		}
	}
}

func (a *asked) answer() {
	a.callers.Leave()
	a.Answer()
	close(a.done)
	a.Wake()
}

// asking is a DEALER that asks a ROUTER, which answers by itself all but those
// questions that it is told to keep.
type asking struct {
	owned
	callers Callers
	waiter  *Waiter
	open    map[uint64]*asked // guarded by mu
	last    uint64            // guarded by mu
	ctx     context.Context   // of the askers in lone; nil for the test's
	led     atomic.Int64      // how often somebody led

	server *owned
	id     string              // of the connection. Guarded by server.mu
	keep   func(n uint64) bool // called with server.mu held
}

func newAsking(t *testing.T) *asking {
	t.Helper()
	r, address := listen(t, ipcEndpoint(t), Options{})
	fail := func(err error) { t.Error(err) }
	a := &asking{open: map[uint64]*asked{}, keep: func(uint64) bool { return false }}
	a.server = &owned{s: r, fail: fail}
	a.server.got = func(m *Message) {
		a.id = m.ID
		if n := binary.BigEndian.Uint64(m.Frames[0]); !a.keep(n) {
			if err := r.SendTo1(m.ID, m.Frames[0]); err != nil {
				fail(err)
			}
		}
	}
	a.owned = owned{s: connect(t, r, address, Options{}), fail: fail}
	a.got = func(m *Message) {
		n := binary.BigEndian.Uint64(m.Frames[0])
		if q := a.open[n]; q != nil {
			delete(a.open, n)
			q.answer()
		}
	}
	a.server.start(t)
	var err error
	a.mu.Lock()
	a.waiter, err = NewWaiter(a.s, &a.callers, a.ready)
	if err == nil {
		a.waiter.relieve = time.Hour // it would hide a loss
	}
	a.mu.Unlock()
	require.NoError(t, err)
	t.Cleanup(a.waiter.Stop)
	return a
}

// submit asks as a dispatcher does: who may lead leaves the look to Lead.
func (a *asking) submit(q *asked) (mayLead bool) {
	q.callers, q.done = &a.callers, make(chan struct{})
	mayLead = a.callers.Add()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last++
	a.open[a.last] = q
	if err := a.s.Send1(binary.BigEndian.AppendUint64(nil, a.last)); err != nil {
		a.fail(err)
	}
	if !mayLead {
		a.drain()
	}
	return mayLead
}

func (a *asking) lead(ctx context.Context, q *asked) {
	if a.waiter.Lead(ctx, q) {
		a.led.Add(1)
	} else {
		a.ready()
	}
}

func (a *asking) ask(t *testing.T) {
	q := &asked{}
	if a.submit(q) {
		a.lead(t.Context(), q)
	}
	select {
	case <-q.done:
	case <-t.Context().Done():
	}
}

func (a *asking) vacant() bool { return post(a.callers.post.Load()) == postVacant }

// vacate asks alone until the post is vacant.
func (a *asking) vacate(t *testing.T) {
	t.Helper()
	for !a.vacant() {
		a.ask(t)
	}
}

// lone asks a question that the server keeps, and returns when the asker is
// parked as the leader.
func (a *asking) lone(t *testing.T) (q *asked, n uint64, over chan struct{}) {
	t.Helper()
	for {
		a.vacate(t)
		q = &asked{parked: make(chan struct{}, 1)}
		a.server.mu.Lock()
		a.keep = func(uint64) bool { return true }
		a.server.mu.Unlock()
		over = make(chan struct{})
		ctx := a.ctx
		if ctx == nil {
			ctx = t.Context()
		}
		mayLead := a.submit(q)
		a.mu.Lock()
		n = a.last
		a.mu.Unlock()
		go func() {
			defer close(over)
			if mayLead {
				a.lead(ctx, q)
			}
		}()
		select {
		case <-q.parked:
			return q, n, over
		case <-over: // the waiter's goroutine was there first
			a.mu.Lock()
			delete(a.open, n)
			a.mu.Unlock()
			q.answer()
			a.server.mu.Lock()
			a.keep = func(uint64) bool { return false }
			a.server.mu.Unlock()
		}
	}
}

// reply is the server's answer to a question that it kept.
func (a *asking) reply(n uint64) error {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	a.keep = func(uint64) bool { return false }
	err := a.server.s.SendTo1(a.id, binary.BigEndian.AppendUint64(nil, n))
	a.server.drain() // a send eats the edge
	return err
}

func TestNoAnswerIsLostWhoeverWaits(t *testing.T) {
	t.Parallel()
	a := newAsking(t)
	for _, callers := range []int{1, 2, 1, 3, 1, 8, 1} {
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				for range 1000 {
					a.ask(t)
				}
			})
		}
		all.Wait()
	}
	require.NotZero(t, a.led.Load(), "lone callers have led")
	require.Zero(t, a.callers.waiting.Load())
}

func TestLeaderReceivesItsAnswer(t *testing.T) {
	t.Parallel()
	a := newAsking(t)
	q, n, over := a.lone(t)
	require.NoError(t, a.reply(n))
	within(t, q.done)
	within(t, over)
}

func TestLeaderIsWokenByAnAnswerFromElsewhere(t *testing.T) {
	t.Parallel()
	a := newAsking(t)
	for range 100 {
		q, _, over := a.lone(t)
		q.answer() // as a deadline does
		within(t, over)
	}
}

// The answer comes when the leader has looked, and before anybody knows that he
// must be woken.
func TestLeaderDoesNotParkWithAnAnswer(t *testing.T) {
	t.Parallel()
	a := newAsking(t)
	a.vacate(t)
	q := &asked{}
	q.last = func() {
		if !q.Answered() {
			q.answer()
		}
	}
	a.server.mu.Lock()
	a.keep = func(uint64) bool { return true }
	a.server.mu.Unlock()
	require.True(t, a.submit(q))
	over := make(chan struct{})
	go func() {
		defer close(over)
		a.lead(t.Context(), q)
	}()
	within(t, over)
}

func TestLeaderLeavesWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	a := newAsking(t)
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		a.ctx = ctx
		q, n, over := a.lone(t)
		cancel()
		within(t, over)
		require.NoError(t, a.reply(n)) // which the waiter's goroutine receives
		within(t, q.done)
	}
}

func TestLeaderLeavesThePostToOthersThatWait(t *testing.T) {
	t.Parallel()
	a := newAsking(t)
	for range 100 {
		first, n, over := a.lone(t)
		second := &asked{}
		require.False(t, a.submit(second), "somebody leads")
		require.NoError(t, a.reply(n))
		within(t, first.done)
		within(t, over)
		require.NoError(t, a.reply(n+1))
		within(t, second.done)
	}
}

// Nobody leads and nobody asks: what comes is received all the same.
func TestVacantPostIsTakenBack(t *testing.T) {
	t.Parallel()
	a := newAsking(t)
	a.mu.Lock() // which the waiter's goroutine takes before it looks
	a.waiter.relieve = relieve
	a.mu.Unlock()
	came := make(chan struct{})
	for range 20 {
		a.vacate(t)
		q := &asked{callers: &a.callers, done: came}
		a.mu.Lock()
		a.last++
		n := a.last
		a.open[n] = q
		a.mu.Unlock()
		a.callers.Add()
		require.NoError(t, a.reply(n))
		within(t, q.done)
		came = make(chan struct{})
	}
}

// A leader who waits for long is not looked after, and calls the goroutine back.
func TestLongLeaderCallsTheGoroutineBack(t *testing.T) {
	t.Parallel()
	a := newAsking(t)
	a.mu.Lock() // which the waiter's goroutine takes before it looks
	a.waiter.relieve = relieve
	a.mu.Unlock()
	q, n, over := a.lone(t)
	require.Eventually(t, func() bool {
		a.waiter.post.Lock()
		defer a.waiter.post.Unlock()
		return a.waiter.post.expected
	}, patience, relieve)
	require.NoError(t, a.reply(n))
	within(t, q.done)
	within(t, over)
	require.False(t, a.vacant())
	a.ask(t)
}

func TestStopWhileSomebodyLeads(t *testing.T) {
	t.Parallel()
	a := newAsking(t)
	_, _, over := a.lone(t)
	a.callers.Leave() // about to be answered
	a.waiter.Stop()
	within(t, over)
	require.False(t, a.vacant())
	require.False(t, a.waiter.Lead(t.Context(), &asked{}))
}

func TestStopWhileThePostIsVacant(t *testing.T) {
	t.Parallel()
	a := newAsking(t)
	a.vacate(t)
	a.waiter.Stop()
	require.False(t, a.vacant())
	require.False(t, a.waiter.Lead(t.Context(), &asked{}))
}
