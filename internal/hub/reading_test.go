// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/powerhose/powerhose/protocol"
)

const (
	testUnread  = 4 << 20
	testPayload = 256 << 10
)

// readingRig is a hub with a runner and a worker, who does each job at once.
type readingRig struct {
	*rig
	front *scripted
	id    uint64
}

func newReadingRig(t *testing.T) *readingRig {
	g := &readingRig{rig: newRig(t), front: &scripted{id: "\x00run1"}}
	g.h.front, g.h.cfg.MaxUnread = newInlet(g.front), testUnread
	reg, err := protocol.AppendRegister(nil, protocol.RoleWorker, protocol.Registration{Identity: "w"})
	require.NoError(t, err)
	g.back.in = [][][]byte{{reg}}
	g.register()
	return g
}

func (g *readingRig) register() {
	g.t.Helper()
	reg, err := protocol.AppendRegister(nil, protocol.RoleRunner, protocol.Registration{Identity: "r"})
	require.NoError(g.t, err)
	g.say(reg)
	_, runners := g.Peers()
	require.Equal(g.t, 1, runners)
}

// say has a message come from the runner.
func (g *readingRig) say(frames ...[]byte) {
	g.t.Helper()
	g.front.in = append(g.front.in, frames)
	g.Signal(g.front, true)
	g.turn()
}

func (g *readingRig) pong() { g.say(protocol.AppendPong(nil, protocol.RoleRunner)) }

func (g *readingRig) submit() {
	g.t.Helper()
	g.id++
	header, err := protocol.RunnerJob{ID: g.id, TimeLeft: patience, Wait: protocol.WaitForever}.Append(nil)
	require.NoError(g.t, err)
	g.say(header, nil)
}

// job has a job done with a result of that many octets, and returns how many
// PINGs were sent to the runner with it.
func (g *readingRig) job(size int) (pings int) {
	g.t.Helper()
	g.back.out, g.front.out = nil, nil
	g.submit()
	require.Len(g.t, g.back.out, 1)
	_, fields, err := protocol.ParseHeader(g.back.out[0][0])
	require.NoError(g.t, err)
	job, err := protocol.ParseWorkerJob(fields)
	require.NoError(g.t, err)
	g.back.in = [][][]byte{{protocol.WorkerResult{ID: job.ID, Attempt: job.Attempt}.Append(nil), make([]byte, size)}}
	g.turn()
	require.NotEmpty(g.t, g.front.out)
	require.Len(g.t, g.front.out[0], 2, "the result")
	for _, frames := range g.front.out[1:] {
		require.Equal(g.t, [][]byte{protocol.AppendPing(nil, protocol.RoleRunner)}, frames)
		pings++
	}
	return pings
}

func (g *readingRig) there() bool {
	_, runners := g.Peers()
	return runners == 1
}

//
func TestRunnerThatReadsIsKept(t *testing.T) {
	t.Parallel()
	g := newReadingRig(t)
	pings := 0
	for range 100 {
		if n := g.job(testPayload); n > 0 {
			pings += n
			g.pong()
		}
	}
	require.True(t, g.there())
	require.InDelta(t, 100*testPayload/readStep, pings, 1)
}

//
func TestRunnerThatDoesNotReadIsLost(t *testing.T) {
	t.Parallel()
	g := newReadingRig(t)
	pings, jobs := 0, 0
	for ; g.there(); jobs++ {
		require.LessOrEqual(t, jobs, testUnread/testPayload)
		pings += g.job(testPayload)
	}
	require.Equal(t, 1, pings, "one is enough")
	require.Equal(t, testUnread/testPayload, jobs)
	g.pong()
	require.True(t, bytes.HasPrefix(g.front.out[len(g.front.out)-1][0], []byte{'P', 'H', 'Z', 1, 'R', byte(protocol.CommandError), byte(protocol.CodeUnregistered)}))
	g.register()
	require.Zero(t, g.job(testPayload))
}

//
func TestJobsOfARunnerThatDoesNotReadAreCancelled(t *testing.T) {
	t.Parallel()
	g := newReadingRig(t)
	for g.h.runners[g.front.id].reading.unread+testPayload <= testUnread {
		g.job(testPayload)
	}
	g.submit() // the worker has it
	g.back.out = nil
	status := testUnread / 200
	for range status { // whatever it is that is not read
		if !g.there() {
			break
		}
		g.say(protocol.AppendStatus(nil))
	}
	require.False(t, g.there())
	require.Len(t, g.back.out, 1)
	require.Equal(t, byte(protocol.CommandCancel), g.back.out[0][0][5])
}

// a PONG says nothing about what was sent after its PING, and one that
// nobody asked for says nothing at all.
func TestPongIsAboutWhatCameBeforeItsPing(t *testing.T) {
	t.Parallel()
	g := newReadingRig(t)
	unread := func() int64 { return g.h.runners[g.front.id].reading.unread }
	for g.job(testPayload) == 0 {
		g.pong()
	}
	for range 6 {
		require.Zero(t, g.job(testPayload))
	}
	require.Greater(t, unread(), int64(10*testPayload-1))
	g.pong()
	require.InDelta(t, 6*testPayload, unread(), 200)
	g.pong()
	require.InDelta(t, 6*testPayload, unread(), 200)
	require.Equal(t, 1, g.job(testPayload))

	// A new registration of the same connection has it to read all the same.
	g.register()
	require.InDelta(t, 7*testPayload, unread(), 500)
	g.pong()
	require.Less(t, unread(), int64(500))
}

func TestSmallTrafficIsNotAskedAbout(t *testing.T) {
	t.Parallel()
	g := newReadingRig(t)
	for range 1000 {
		require.Zero(t, g.job(100))
	}
}
