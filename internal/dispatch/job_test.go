// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSlabNeverFindsAFinishedJob(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s slab
		live := map[JobID]*job{}
		var ids, gone []JobID // live ones in order; all finished ones
		most := 0
		for range rapid.IntRange(0, 200).Draw(t, "operations") {
			if len(ids) == 0 || rapid.IntRange(0, 4).Draw(t, "get") > 1 {
				j := s.get()
				require.NotZero(t, j.id)
				require.NotContains(t, live, j.id)
				require.NotContains(t, gone, j.id)
				require.Nil(t, s.find(j.id), "found before it has a state")
				j.state = jobWaiting
				live[j.id] = j
				ids = append(ids, j.id)
				most = max(most, len(ids))
			} else {
				i := rapid.IntRange(0, len(ids)-1).Draw(t, "put")
				id := ids[i]
				ids = slices.Delete(ids, i, i+1)
				s.put(live[id])
				delete(live, id)
				gone = append(gone, id)
			}
			require.Equal(t, len(live), s.live)
			require.Equal(t, len(s.jobs), s.live+len(s.free))
			for id, j := range live {
				require.Same(t, j, s.find(id))
			}
			for _, id := range gone {
				require.Nil(t, s.find(id), "%x is finished", id)
			}
		}
		require.Len(t, s.jobs, most, "more were made than ever lived at once")
		// Ids that nobody was ever given.
		for _, id := range []JobID{0, 1, 1 << 32, JobID(len(s.jobs)), 1<<32 | JobID(len(s.jobs)), 1<<64 - 1} {
			if live[id] == nil {
				require.Nil(t, s.find(id))
			}
		}
	})
}

func TestSlabForgetsWhatAJobHeld(t *testing.T) {
	t.Parallel()
	var s slab
	j := s.get()
	id := j.id
	j.state, j.payload, j.ref, j.attempt = jobAssigned, []byte("secret"), "ref", 7
	s.put(j)
	again := s.get()
	require.Same(t, j, again)
	require.NotEqual(t, id, again.id)
	require.Equal(t, &job{id: again.id, timer: timer{index: -1, job: again}}, again)
}

func TestListKeepsItsOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := list{of: workerLink}
		var want []*job
		for range rapid.IntRange(0, 60).Draw(t, "operations") {
			switch op := rapid.IntRange(0, 3).Draw(t, "op"); {
			case op == 0 && len(want) > 0:
				i := rapid.IntRange(0, len(want)-1).Draw(t, "remove")
				l.remove(want[i])
				require.Equal(t, link{}, want[i].onWorker)
				want = slices.Delete(want, i, i+1)
			case op == 1:
				j := &job{}
				l.push(j)
				want = append(want, j)
			default:
				j, i := &job{}, rapid.IntRange(0, len(want)).Draw(t, "insert")
				var after *job
				if i > 0 {
					after = want[i-1]
				}
				l.insert(j, after)
				want = slices.Insert(want, i, j)
			}
			ck := checker{}
			got := ck.list("list", &l)
			require.NoError(t, ck.err)
			require.True(t, slices.Equal(want, got))
			require.Equal(t, link{}, (&job{}).queue, "another link was touched")
		}
	})
}
