// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// naiveLess says who should get the next job, in words instead of products.
func naiveLess(a, b *worker) bool {
	loadA, loadB := float64(a.jobs.n)/float64(a.capacity), float64(b.jobs.n)/float64(b.capacity)
	if loadA != loadB {
		return loadA < loadB
	}
	return a.turn < b.turn
}

func naiveMin(workers []*worker) *worker {
	var best *worker
	for _, w := range workers {
		if best == nil || naiveLess(w, best) {
			best = w
		}
	}
	return best
}

func TestClassHeapKnowsTheLeastLoaded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		k := &class{}
		var in, out []*worker
		for i := range 30 {
			capacity := rapid.SampledFrom([]int{1, 2, 4, 8}).Draw(t, "capacity")
			out = append(out, &worker{id: WorkerID(i), heap: -1, capacity: capacity, turn: uint64(i)})
		}
		turn, capacity := uint64(len(out)), 0
		for range rapid.IntRange(0, 200).Draw(t, "operations") {
			switch op := rapid.IntRange(0, 5).Draw(t, "op"); {
			case op == 0 && len(in) > 0:
				i := rapid.IntRange(0, len(in)-1).Draw(t, "drop")
				k.drop(in[i])
				require.Equal(t, -1, in[i].heap)
				capacity -= in[i].capacity
				out = append(out, in[i])
				in = slices.Delete(in, i, i+1)
			case op < 3 && len(out) > 0:
				w := out[len(out)-1]
				out = out[:len(out)-1]
				k.push(w)
				capacity += w.capacity
				in = append(in, w)
			case len(in) > 0:
				w := in[rapid.IntRange(0, len(in)-1).Draw(t, "change")]
				w.jobs.n = rapid.IntRange(0, 2*w.capacity).Draw(t, "jobs")
				turn++
				w.turn = turn
				k.fix(w)
			}
			require.Len(t, k.heap, len(in))
			require.Equal(t, capacity, k.capacity)
			if len(in) > 0 {
				require.Same(t, naiveMin(in), k.heap[0])
			}
			for i, w := range k.heap {
				require.Equal(t, i, w.heap)
			}
		}
		for _, w := range out { // changes outside, and dropping twice, do nothing
			k.fix(w)
			k.drop(w)
		}
		require.Len(t, k.heap, len(in))
	})
}

// TestPickTakesTheLeastLoaded compares pick with a look at every worker, over
// services that several classes offer.
func TestPickTakesTheLeastLoaded(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c"}
	rapid.Check(t, func(t *rapid.T) {
		c := New(Config{})
		for i := range rapid.IntRange(1, 20).Draw(t, "workers") {
			c.Step(0, &Event{
				Kind: EventWorkerUp, Worker: WorkerID(i + 1),
				Services: rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 3, rapid.ID).Draw(t, "services"),
				Capacity: rapid.IntRange(1, 4).Draw(t, "capacity"), Prefetch: rapid.IntRange(0, 4).Draw(t, "prefetch"),
			}, nil)
		}
		for _, w := range c.sortedWorkers() {
			w.jobs.n = rapid.IntRange(0, w.capacity+w.prefetch).Draw(t, "jobs")
			w.backlog = time.Duration(w.jobs.n) * 100 * time.Microsecond
			w.class.fix(w)
		}
		for _, name := range names {
			s := c.serviceOf(name)
			s.estimate.high = rapid.SampledFrom([]time.Duration{0, 10 * time.Microsecond, time.Millisecond}).Draw(t, "high")
			var free, room []*worker
			for _, w := range c.workers {
				if !w.class.offers(s) || !c.room(w, s.cost()) {
					continue
				}
				room = append(room, w)
				if w.jobs.n < w.capacity {
					free = append(free, w)
				}
			}
			got := c.pick(s)
			switch {
			case len(free) > 0:
				require.Same(t, naiveMin(free), got)
			case got != nil:
				// Only a few of a class are looked at, so it may be another.
				require.Contains(t, room, got)
			}
		}
	})
}

// TestNewJobDoesNotOvertake: a worker may get room for prefetching at a moment
// when nobody looks, because a lower estimate makes its jobs cheaper. The next
// job must not take that room while others wait.
func TestNewJobDoesNotOvertake(t *testing.T) {
	t.Parallel()
	c := New(Config{PrefetchBudget: time.Millisecond})
	submit := func(tag uint64) []Action {
		out := c.Step(0, &Event{Kind: EventSubmit, Runner: 1, Tag: tag, Deadline: Never, StartBy: Never}, nil)
		check(t, c)
		return out
	}
	c.Step(0, &Event{Kind: EventRunnerUp, Runner: 1, Local: true}, nil)
	c.Step(0, &Event{Kind: EventWorkerUp, Worker: 1, Capacity: 1, Prefetch: 4}, nil)
	s := c.services[""]
	s.estimate.high = 600 * time.Microsecond
	require.Len(t, submit(1), 1)
	require.Empty(t, submit(2), "two jobs are more than 1 ms")
	s.estimate.high = 10 * time.Microsecond
	require.NotNil(t, c.pick(s))
	require.Empty(t, submit(3))
}

func TestWorkersOfTheSameServicesShareAClass(t *testing.T) {
	t.Parallel()
	c := New(Config{})
	for i, names := range [][]string{{"a", "b"}, {"b", "a"}, {"a", "b", "a"}, {"ab"}, {"a"}, nil, {""}, {"", "a"}, {"\x01a"}} {
		c.Step(0, &Event{Kind: EventWorkerUp, Worker: WorkerID(i + 1), Services: names}, nil)
		check(t, c)
	}
	classOf := func(id WorkerID) *class { return c.workers[id].class }
	require.Same(t, classOf(1), classOf(2))
	require.Same(t, classOf(1), classOf(3))
	require.Same(t, classOf(6), classOf(7))
	require.Len(t, c.classes, 6)
	for i := range 9 {
		c.Step(0, &Event{Kind: EventWorkerDown, Worker: WorkerID(i + 1)}, nil)
		check(t, c)
	}
	require.Empty(t, c.classes)
	require.Empty(t, c.services)
}

func TestNamesOfKinds(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for o := range Outcome(outcomes) {
		require.NotEmpty(t, o.String())
		require.False(t, seen[o.String()], "%v twice", o)
		seen[o.String()] = true
	}
	require.Equal(t, "unknown outcome", Outcome(outcomes).String())
	require.Equal(t, "silent hung unknown reason", fmt.Sprint(ReasonSilent, " ", ReasonHung, " ", Reason(0)))
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	require.Equal(t, Config{
		Heartbeat: time.Second, Liveness: 3, Grace: time.Second, MaxWaiting: 16384, MaxWaitingBytes: 256 << 20,
		PrefetchBudget: 3 * time.Millisecond, MaxKills: 2,
	}, Config{}.WithDefaults())
	all := Config{
		Heartbeat: 1, Liveness: 2, Grace: 3, MaxWaiting: 4, MaxWaitingBytes: 5, PrefetchBudget: 6, MaxKills: 7,
	}
	require.Equal(t, all, all.WithDefaults())
}
