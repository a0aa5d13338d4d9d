// SPDX-License-Identifier: Apache-2.0

package zmqnet

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"time"
)

// When the Waiter's goroutine receives the answer for which a caller waits, it
// wakes the caller, and Go's scheduler wakes a second thread to look for more
// work: together a tenth of a lone caller's round trip. So a lone caller does the
// waiting itself, which is the leader and followers pattern (Schmidt et al.,
// "Leader/Followers", PLoP 2000) with one place:
//
// The post is where somebody waits for the socket's signals. The Waiter's own
// goroutine holds it, until it sees that callers come one at a time; then it
// leaves the post to them. A caller that finds others behind itself calls the
// goroutine back. Between two callers the post is vacant, and nothing is received
// unless somebody does so on his own account; that ends after relieve at most.
type post int32

const (
	postKept   post = iota // by the Waiter's goroutine
	postVacant             // by nobody
	postLent               // by a caller
)

const (
	// lonely is how many callers in a row must have been alone before the post
	// is left to them.
	lonely = 8
	// relieve is about how long the post may be vacant without a caller: a caller that
	// comes once in a while does not have to be waited for.
	relieve = 5 * time.Millisecond
)

// A Sleeper is a caller that waits for an answer.
type Sleeper interface {
	// Answered reports whether the answer is there.
	Answered() bool
	// Park tells whom the answer has to wake: the Waiter, or nobody for nil.
	// Whoever answers makes Answered true, and then wakes.
	Park(*Waiter)
}

// Sleep is a Sleeper. Whoever answers calls Answer, gives the answer, and calls
// Wake. It must not be copied.
type Sleep struct {
	answered atomic.Bool
	waiter   atomic.Pointer[Waiter]
}

// Reset makes it ready for the next answer. A Wake of the last one may still be on
// its way.
func (s *Sleep) Reset() {
	s.answered.Store(false)
	s.waiter.Store(nil)
}

// Answer says that the answer is there, or will be in a moment.
func (s *Sleep) Answer() { s.answered.Store(true) }

// Wake wakes the caller if he is parked in a Waiter. It may come so late that s is
// in use again: then it is for nothing.
func (s *Sleep) Wake() {
	if w := s.waiter.Load(); w != nil {
		w.Kick()
	}
}

// Answered implements Sleeper.
func (s *Sleep) Answered() bool { return s.answered.Load() }

// Park implements Sleeper.
func (s *Sleep) Park(w *Waiter) { s.waiter.Store(w) }

// Lead makes the calling goroutine wait for the socket's signals in place of the
// Waiter's, as long as the answer to s has not come and ctx is not done. It returns at
// once if somebody else waits already: then ready is called by him.
//
// The caller must have been told to by Callers.Add. Lead reports whether it called
// ready at least once; if not, the caller must look at the socket once himself,
// since a signal may have come while the post was vacant.
func (w *Waiter) Lead(ctx context.Context, s Sleeper) (called bool) {
	if w.callers == nil || !w.move(postVacant, postLent) {
		return false
	}
	w.leader, w.leaderContext, w.called = s, ctx, false
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, w.kick)()
	}
	for !w.leaves() {
		err := w.conn.Read(w.lead)
		if err != nil && !w.again(err) {
			break
		}
	}
	called = w.called
	w.leader, w.leaderContext = nil, nil
	w.post.Lock()
	defer w.post.Unlock()
	w.stand(postVacant)
	if w.post.expected || w.stopping.Load() || w.callers.waiting.Load() > 0 {
		w.callBack()
	}
	return called
}

// leaves reports whether the leader has no reason to wait any more.
func (w *Waiter) leaves() bool {
	return w.leader.Answered() || w.stopping.Load() || w.leaderContext.Err() != nil
}

// leadOnce is one look of the leader.
func (w *Waiter) leadOnce(uintptr) (leave bool) {
	w.leader.Park(nil)
	if w.leaves() {
		return true
	}
	w.called = true
	if w.ready() {
		w.stopping.Store(true)
	}
	if w.leaves() {
		return true
	}
	w.leader.Park(w)
	return w.leaves() // an answer that came before Park did not wake us
}

// move changes who holds the post, if it is the one that is expected.
func (w *Waiter) move(from, to post) bool {
	w.post.Lock()
	defer w.post.Unlock()
	if w.post.at != from {
		return false
	}
	w.stand(to)
	w.post.moves++
	return true
}

// stand changes who holds the post. With w.post locked.
func (w *Waiter) stand(at post) {
	w.post.at = at
	if w.callers != nil {
		w.callers.post.Store(int32(at))
	}
}

// callBack gives the post to the Waiter's goroutine. With w.post locked.
func (w *Waiter) callBack() {
	w.stand(postKept)
	w.post.expected = false
	w.relief <- struct{}{} // never blocks: there is one for each time that the post was vacant
}

// leave leaves the post to lone callers if that is what there is. before is how
// many callers waited before the call of ready that just ended.
func (w *Waiter) leave(before int64) bool {
	if w.callers == nil || w.callers.waiting.Load() > 0 || before == 0 {
		return false
	}
	if before > 1 {
		w.alone = 0
		return false
	}
	if w.alone++; w.alone < lonely {
		return false
	}
	w.post.Lock()
	defer w.post.Unlock()
	w.alone = 0
	w.stand(postVacant)
	if w.callers.waiting.Load() > 0 || w.stopping.Load() {
		w.stand(postKept) // for one who asked meanwhile, and relies on us
		return false
	}
	return true
}

// rest returns when the Waiter's goroutine holds the post again.
func (w *Waiter) rest() {
	look := time.NewTicker(w.relieve)
	defer look.Stop()
	w.post.Lock()
	before := w.post.moves
	w.post.Unlock()
	for {
		select {
		case <-w.relief:
			return
		case <-look.C:
		}
		w.post.Lock()
		switch {
		case before != w.post.moves: // callers come and go
		case w.post.at == postVacant:
			w.stand(postKept)
			w.post.Unlock()
			return
		case w.post.at == postLent && !w.post.expected: // for longer than it is worth while to look
			w.post.expected = true
			look.Stop()
		}
		before = w.post.moves
		w.post.Unlock()
	}
}

// again prepares for the next Read after a Kick. It reports false if there can be
// none.
func (w *Waiter) again(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false // the file was closed
	}
	// Whoever kicked changed something before; what that is is looked at after
	// this reset.
	return w.file.SetReadDeadline(time.Time{}) == nil
}

// Callers are those that wait for an answer which a Waiter's socket brings.
// Methods may be called from any goroutine. The zero value is ready to use; it
// must not be copied.
type Callers struct {
	waiting atomic.Int64
	post    atomic.Int32 // what the Waiter's post.at says
}

// Add counts a caller who begins to wait, before the question is sent. It reports
// whether he must call Lead: the post is vacant, and he is likely to get it.
func (c *Callers) Add() (mayLead bool) {
	// In this order: whoever leaves the post says so before he looks for callers.
	c.waiting.Add(1)
	return post(c.post.Load()) == postVacant
}

// Leave counts off a caller who is about to be answered.
func (c *Callers) Leave() { c.waiting.Add(-1) }

// Lead reports whether a caller waits for the socket himself.
func (c *Callers) Lead() bool { return post(c.post.Load()) == postLent }
