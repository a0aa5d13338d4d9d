// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTimersComeInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var h timers
		all := make([]timer, 40)
		for i := range all {
			all[i].index = -1
		}
		want := map[*timer]Time{}
		for range rapid.IntRange(0, 200).Draw(t, "operations") {
			x := &all[rapid.IntRange(0, len(all)-1).Draw(t, "timer")]
			if rapid.IntRange(0, 2).Draw(t, "cancel") == 0 {
				h.cancel(x)
				delete(want, x)
			} else {
				at := Time(rapid.IntRange(0, 50).Draw(t, "at"))
				h.arm(x, at)
				want[x] = at
			}
			require.Len(t, h, len(want))
			for i, x := range h {
				require.Equal(t, i, x.index)
				require.Equal(t, want[x], x.at)
				require.True(t, i == 0 || h[(i-1)/2].at <= x.at, "not a heap at %d", i)
			}
		}
		var sorted, popped []Time
		for _, at := range want {
			sorted = append(sorted, at)
		}
		slices.Sort(sorted)
		for len(h) > 0 {
			x := h[0]
			popped = append(popped, x.at)
			h.cancel(x)
			require.Equal(t, -1, x.index)
		}
		require.Equal(t, sorted, popped)
	})
}

func TestTimeStopsAtItsEnd(t *testing.T) {
	t.Parallel()
	require.Equal(t, Never, Never.Add(time.Second))
	require.Equal(t, Never, (Never - 1).Add(2))
	require.Equal(t, Never, Time(5).Add(time.Duration(Never)))
	require.Equal(t, Time(3), Time(5).Add(-2))
	require.Equal(t, time.Duration(3), Time(5).Sub(2))
}

func TestClockNeverGoesBack(t *testing.T) {
	t.Parallel()
	c := New(Config{})
	c.Step(Time(time.Hour), &Event{Kind: EventRunnerUp, Runner: 1}, nil)
	// This moment is before the last one: it counts as that one.
	c.Step(0, &Event{Kind: EventSubmit, Runner: 1, Deadline: Time(time.Hour) + 1, StartBy: Never}, nil)
	check(t, c)
	require.Equal(t, Time(time.Hour)+1, c.NextDeadline())
	out := c.Step(Time(time.Hour), &Event{}, nil)
	require.Empty(t, out)
}

func TestStepAppends(t *testing.T) {
	t.Parallel()
	c := New(Config{})
	before := []Action{{Kind: ActionPing, Worker: 9}}
	out := c.Step(0, &Event{Kind: EventDrain}, before)
	require.Equal(t, []Action{{Kind: ActionPing, Worker: 9}, {Kind: ActionDrained}}, out)
}
