// SPDX-License-Identifier: Apache-2.0

package combine

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryTaskIsAppliedOnceInOrderByOneAtATime(t *testing.T) {
	t.Parallel()
	const adders, each = 16, 5000
	type task struct{ adder, n int }
	var busy atomic.Bool
	last := make([]int, adders) // belongs to the owner, as any state behind a Queue
	q := New(func(tasks []task) bool {
		if busy.Swap(true) {
			t.Error("work is called concurrently")
		}
		for _, x := range tasks {
			if last[x.adder] != x.n {
				t.Errorf("adder %d: %d after %d", x.adder, x.n, last[x.adder])
			}
			last[x.adder]++
		}
		busy.Store(false)
		return false
	})
	var all sync.WaitGroup
	for adder := range adders {
		all.Add(1)
		go func() {
			defer all.Done()
			for n := range each {
				if !q.Add(task{adder, n}) {
					t.Error("refused")
				}
			}
		}()
	}
	all.Wait()
	q.Close()
	for _, n := range last {
		require.Equal(t, each, n)
	}
}

// The same, while everybody who adds to an empty queue lets the others go first.
func TestACrowdLosesNothing(t *testing.T) {
	t.Parallel()
	const adders, each = 64, 2000
	var busy atomic.Bool
	applied := 0
	q := New(func(tasks []chan struct{}) bool {
		if busy.Swap(true) {
			t.Error("work is called concurrently")
		}
		applied += len(tasks)
		for _, c := range tasks {
			c <- struct{}{}
		}
		busy.Store(false)
		return false
	})
	q.SetCrowded(true)
	var all sync.WaitGroup
	for range adders {
		all.Go(func() {
			done := make(chan struct{}, 1)
			for range each {
				q.Add(done)
				<-done // would hang if it were forgotten
			}
		})
	}
	all.Wait()
	q.Close()
	require.Equal(t, adders*each, applied)
}

func TestALoneCallerInACrowdWorksItself(t *testing.T) {
	t.Parallel()
	done := 0
	q := New(func(tasks []int) bool { done += len(tasks); return false })
	q.SetCrowded(true)
	for range 100 {
		q.Add(1)
	}
	q.Close()
	require.Equal(t, 100, done)
}

func TestALoneCallerWorksItself(t *testing.T) {
	t.Parallel()
	done := 0
	q := New(func(tasks []int) bool { done += len(tasks); return false })
	defer q.Close()
	for range 100 {
		q.Add(1)
	}
	require.Equal(t, 100, done, "each Add applied its task before it returned")
}

// TestACallerIsRelieved: the owner of a queue that is never empty gets away.
func TestACallerIsRelieved(t *testing.T) {
	t.Parallel()
	var rounds atomic.Int64
	var stop atomic.Bool
	q := New(func([]int) bool {
		rounds.Add(1)
		return !stop.Load()
	})
	q.Add(1) // would never return if nobody took over
	require.GreaterOrEqual(t, rounds.Load(), int64(Rounds))
	stop.Store(true)
	q.Close()
}

func TestKickCallsWorkOnceMore(t *testing.T) {
	t.Parallel()
	inside, goOn := make(chan struct{}), make(chan struct{})
	calls := 0
	q := New(func([]int) bool {
		calls++
		if calls == 1 {
			close(inside)
			<-goOn
		}
		return false
	})
	added := make(chan struct{})
	go func() { q.Add(1); close(added) }()
	<-inside
	q.Kick() // while another one is at work
	close(goOn)
	<-added
	q.Close()
	require.Equal(t, 2, calls)
}

func TestCloseAppliesWhatWasAddedAndRefusesTheRest(t *testing.T) {
	t.Parallel()
	for n := range 200 {
		var applied atomic.Int64
		q := New(func(tasks []int) bool { applied.Add(int64(len(tasks))); return false })
		q.SetCrowded(n%2 == 1)
		var accepted atomic.Int64
		var all sync.WaitGroup
		for range 4 {
			all.Add(1)
			go func() {
				defer all.Done()
				for q.Add(1) {
					accepted.Add(1)
				}
				q.Kick()
			}()
		}
		q.Close()
		all.Wait()
		q.Close()
		require.Equal(t, accepted.Load(), applied.Load())
	}
}

func TestAddAllocatesNothing(t *testing.T) {
	q := New(func([]int) bool { return false })
	defer q.Close()
	require.Zero(t, testing.AllocsPerRun(1000, func() { q.Add(1) }))
}
