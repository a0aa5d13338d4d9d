// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// While something may be unheard, deadlines pass as always, but nobody is judged
// by what he has not sent.
func TestNobodyIsJudgedUnheard(t *testing.T) {
	t.Parallel()
	c := New(Config{})
	now := Time(0)
	do := func(ev Event) []Action { return c.Step(now, &ev, nil) }
	do(Event{Kind: EventRunnerUp, Runner: 1})
	do(Event{Kind: EventWorkerUp, Worker: 1, Services: []string{"a"}, Capacity: 1})
	do(Event{Kind: EventWorkerUp, Worker: 2, Services: []string{"b"}, Capacity: 1})
	for tag := range uint64(2) {
		do(Event{Kind: EventSubmit, Runner: 1, Tag: tag, Service: "a", Deadline: Time(time.Second), StartBy: Time(time.Second)})
	}

	now = Time(time.Hour)
	out := do(Event{Kind: EventTick, Unheard: true})
	require.Len(t, out, 3, "both jobs are over, and the one that ran is cancelled: %v", out)
	for _, a := range out {
		require.Contains(t, []ActionKind{ActionReply, ActionCancel}, a.Kind)
	}
	require.LessOrEqual(t, c.NextDeadline(), now, "a judgement waits")
	require.Empty(t, do(Event{Kind: EventTick, Unheard: true}), "as long as it takes")

	// Whoever is heard of meanwhile is not judged at all.
	do(Event{Kind: EventWorkerBeat, Worker: 2})
	require.Equal(t, []Action{{Kind: ActionPing, Worker: 1}, {Kind: ActionDropRunner, Runner: 1}}, do(Event{Kind: EventTick}))
	require.Greater(t, c.NextDeadline(), now)

	// A judgement that was put off is cancelled like any other.
	now = now.Add(time.Hour)
	require.Empty(t, do(Event{Kind: EventTick, Unheard: true}))
	do(Event{Kind: EventWorkerDown, Worker: 1, Started: StartedUnknown})
	do(Event{Kind: EventWorkerDown, Worker: 2, Started: StartedUnknown})
	require.Equal(t, Never, c.NextDeadline())
}
