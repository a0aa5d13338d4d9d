// SPDX-License-Identifier: Apache-2.0

package session

import (
	"testing"
	"time"

	"github.com/powerhose/powerhose/protocol"

	"github.com/stretchr/testify/require"
)

func TestRunnerRegistersOnEveryProbe(t *testing.T) {
	t.Parallel()
	g := newRunnerRig(t, RunnerConfig{Masters: 2})
	at, ok := g.r.NextDeadline()
	require.True(t, ok)
	require.LessOrEqual(t, at, g.now)
	g.connect()
	require.Equal(t, -1, g.r.Target())
	require.Equal(t, -1, g.r.Live())

	g.on(RunnerEvent{Kind: RunnerProbe, Master: 1}, RunnerSendRegister)
	out := g.welcome(1)
	require.Len(t, out, 1)
	require.Equal(t, RunnerUp, out[0].Kind)
	require.Equal(t, uint64(1), out[0].Registration)
	require.Equal(t, "m", out[0].Welcome.Identity)
	require.Equal(t, 1, g.r.Target())
	require.Equal(t, 1, g.r.Live())

	// A new connection: what was sent on the old one is lost.
	j := g.sent(1)
	out = g.on(RunnerEvent{Kind: RunnerProbe, Master: 1}, RunnerDown, RunnerAnswer, RunnerSendRegister)
	require.Equal(t, RunnerDisconnected, out[0].Reason)
	g.answered(lostMaybe, j)
	require.Equal(t, -1, g.r.Target())

	// The connection breaks again while we register.
	g.on(RunnerEvent{Kind: RunnerProbe, Master: 1}, RunnerSendRegister)
	require.Equal(t, uint64(2), g.welcome(1)[0].Registration)
	require.Empty(t, g.welcome(1), "nobody asked for a second one")
	require.Equal(t, uint64(1), g.r.Stats().Unexpected)
	require.Equal(t, uint64(2), g.r.Stats().Registrations)
}

func TestRunnerRegistersAgainWhenForgotten(t *testing.T) {
	t.Parallel()
	g := newRunnerRig(t, RunnerConfig{})
	g.connect()
	g.up(0)
	j := g.sent(0)
	unregistered := RunnerEvent{Kind: RunnerError, Err: protocol.PeerError{Code: protocol.CodeUnregistered}}
	out := g.on(unregistered, RunnerDown, RunnerAnswer, RunnerSendRegister)
	require.Equal(t, RunnerForgotten, out[0].Reason)
	g.answered(lostMaybe, j)
	g.on(unregistered) // one more message of ours was on its way
	g.on(unregistered)
	g.welcome(0)
	require.Equal(t, 0, g.r.Target())

	// It says so before its probe was read.
	g = newRunnerRig(t, RunnerConfig{})
	g.connect()
	g.on(unregistered, RunnerSendRegister)
	g.welcome(0)
}

func TestRunnerLeavesAMasterThatRefusesAlone(t *testing.T) {
	t.Parallel()
	for _, code := range []protocol.ErrorCode{protocol.CodeRefused, protocol.CodeVersion, protocol.CodeWrongRole, 99} {
		g := newRunnerRig(t, RunnerConfig{})
		g.connect()
		refused := RunnerEvent{Kind: RunnerError, Err: protocol.PeerError{Code: code, Text: "no"}}
		g.on(RunnerEvent{Kind: RunnerProbe}, RunnerSendRegister)
		out := g.on(refused, RunnerDown, RunnerDisconnect)
		require.Equal(t, RunnerRefused, out[0].Reason)
		require.Equal(t, refused.Err, out[0].Err)
		g.on(RunnerEvent{Kind: RunnerProbe}) // late
		g.pass(mostBackoff-1, nil...)
		g.pass(1, RunnerConnect)
		g.on(RunnerEvent{Kind: RunnerProbe}, RunnerSendRegister)
		g.on(refused, RunnerDisconnect) // told already
	}
}

func TestRunnerCountsErrorsAboutMessages(t *testing.T) {
	t.Parallel()
	g := newRunnerRig(t, RunnerConfig{})
	g.connect()
	g.up(0)
	g.on(RunnerEvent{Kind: RunnerError, Err: protocol.PeerError{Code: protocol.CodeTooLarge}})
	g.on(RunnerEvent{Kind: RunnerError, Err: protocol.PeerError{Code: protocol.CodeUnknownCommand}})
	require.Equal(t, uint64(2), g.r.Stats().Errors)
	require.Equal(t, 0, g.r.Target())
	g.on(RunnerEvent{Kind: RunnerError, Err: protocol.PeerError{Code: protocol.CodeWrongRole}}, RunnerDown, RunnerDisconnect)
}

func TestRunnerHandshakeWatchdog(t *testing.T) {
	t.Parallel()
	g := newRunnerRig(t, RunnerConfig{})
	g.connect()
	g.pass(protocol.HandshakeTimeout-1, nil...)
	out := g.pass(1, RunnerDown, RunnerDisconnect, RunnerConnect)
	require.Equal(t, RunnerUnanswered, out[0].Reason)
	g.pass(protocol.HandshakeTimeout, RunnerDisconnect, RunnerConnect) // told once

	// Somebody is there, but no master: each try comes later.
	for _, delay := range []time.Duration{0, firstBackoff, 2 * firstBackoff, 4 * firstBackoff} {
		g.on(RunnerEvent{Kind: RunnerProbe}, RunnerSendRegister)
		if delay == 0 {
			g.pass(protocol.HandshakeTimeout, RunnerDisconnect, RunnerConnect)
			continue
		}
		g.pass(protocol.HandshakeTimeout, RunnerDisconnect)
		g.pass(delay-1, nil...)
		g.pass(1, RunnerConnect)
	}
	for range 20 {
		g.on(RunnerEvent{Kind: RunnerProbe}, RunnerSendRegister)
		g.pass(protocol.HandshakeTimeout, RunnerDisconnect)
		g.pass(mostBackoff, RunnerConnect)
	}
}

func TestRunnerHeartbeats(t *testing.T) {
	t.Parallel()
	g := newRunnerRig(t, RunnerConfig{})
	g.connect()
	second := func(w *protocol.Welcome) { w.Heartbeat = time.Second }
	g.up(0, second)
	for range 5 {
		g.pass(time.Second-1, nil...)
		g.pass(1, RunnerSendPing)
		g.on(RunnerEvent{Kind: RunnerHeard})
	}
	g.on(RunnerEvent{Kind: RunnerPing}, RunnerSendPong)

	// A process that was stopped does not blame the master.
	g.pass(time.Hour, RunnerSendPing)
	g.on(RunnerEvent{Kind: RunnerHeard})

	g.pass(time.Hour, RunnerSendPing)
	g.pass(time.Second-1, nil...)
	g.on(RunnerEvent{Kind: RunnerHeard})

	// Three heartbeats of silence.
	j := g.sent(0, func(j *RunnerJob) { j.Deadline += time.Minute })
	g.pass(1, RunnerSendPing)
	g.pass(time.Second, RunnerSendPing)
	g.pass(time.Second-2, nil...)
	at, _ := g.r.NextDeadline()
	require.Equal(t, g.now+2, at)
	g.pass(2, RunnerSendPing)
	at, _ = g.r.NextDeadline()
	require.Equal(t, g.now+time.Second-1, at)
	g.pass(time.Second-2, nil...)
	out := g.pass(1, RunnerDown, RunnerAnswer, RunnerDisconnect, RunnerConnect)
	require.Equal(t, RunnerSilent, out[0].Reason)
	g.answered(lostMaybe, j)
}

func TestRunnerProcessGone(t *testing.T) {
	t.Parallel()
	g := newRunnerRig(t, RunnerConfig{})
	g.connect()
	g.up(0)
	j := g.sent(0)
	out := g.on(RunnerEvent{Kind: RunnerGone, Registration: 1}, RunnerDown, RunnerAnswer, RunnerDisconnect, RunnerConnect)
	require.Equal(t, RunnerProcessGone, out[0].Reason)
	g.answered(lostMaybe, j)
	g.on(RunnerEvent{Kind: RunnerGone, Registration: 1})
	g.up(0)
	g.on(RunnerEvent{Kind: RunnerGone, Registration: 1})
	require.Equal(t, 0, g.r.Target())
}

func TestRunnerBacksOffFromAMasterThatDiesAgainAndAgain(t *testing.T) {
	t.Parallel()
	g := newRunnerRig(t, RunnerConfig{})
	g.connect()
	reg := uint64(0)
	die := func(want ...RunnerActionKind) {
		t.Helper()
		reg++
		g.up(0)
		g.on(RunnerEvent{Kind: RunnerGone, Registration: reg}, want...)
	}
	die(RunnerDown, RunnerDisconnect, RunnerConnect)
	die(RunnerDown, RunnerDisconnect)
	g.pass(firstBackoff, RunnerConnect)
	die(RunnerDown, RunnerDisconnect)
	g.pass(firstBackoff, nil...)
	g.pass(firstBackoff, RunnerConnect)
	// It stays a while: all is forgiven.
	g.up(0)
	reg++
	g.pass(settled, nil...)
	g.on(RunnerEvent{Kind: RunnerGone, Registration: reg}, RunnerDown, RunnerDisconnect, RunnerConnect)
}

func TestRunnerBrokenSocket(t *testing.T) {
	t.Parallel()
	g := newRunnerRig(t, RunnerConfig{})
	g.connect()
	g.up(0)
	j := g.sent(0)
	out := g.on(RunnerEvent{Kind: RunnerBroken}, RunnerDown, RunnerAnswer)
	require.Equal(t, RunnerSocketBroken, out[0].Reason)
	g.answered(lostMaybe, j)
	g.pass(0, RunnerConnect)
	g.up(0)
}

func TestRunnerFailedSendWithLittleOnItsWayMeansNoConnection(t *testing.T) {
	t.Parallel()
	g := newRunnerRig(t, RunnerConfig{FullAfter: 2})
	g.connect()
	g.on(RunnerEvent{Kind: RunnerProbe}, RunnerSendRegister)
	g.on(RunnerEvent{Kind: RunnerUnsent}) // wait for the next probe
	g.up(0)
	earlier := g.sent(0)
	j := g.sent(0)
	out := g.on(RunnerEvent{Kind: RunnerUnsent, Jobs: []*RunnerJob{j}}, RunnerDown, RunnerAnswer, RunnerDisconnect, RunnerConnect)
	require.Equal(t, RunnerDisconnected, out[0].Reason)
	g.answered(lostMaybe, earlier)
	g.up(0)
	g.next(0, j)
	g.on(RunnerEvent{Kind: RunnerUnsent}, RunnerDown, RunnerAnswer, RunnerDisconnect) // a PING, say
}

func TestRunnerFullPipe(t *testing.T) {
	t.Parallel()
	g := newRunnerRig(t, RunnerConfig{FullAfter: 2})
	g.connect()
	g.up(0)
	g.sent(0)
	g.sent(0)
	a, b, c := g.submit(), g.submit(), g.submit()
	g.next(0, a, b, c)
	g.on(RunnerEvent{Kind: RunnerUnsent, Jobs: []*RunnerJob{b, c}})
	d := g.submit()
	g.nothingNext()
	g.on(RunnerEvent{Kind: RunnerWritable})
	g.next(0, b, c, d)
	g.on(RunnerEvent{Kind: RunnerUnsent, Jobs: []*RunnerJob{b, c, d}})
	g.pass(blockedPause, nil...)
	g.next(0, b, c, d)
	g.on(RunnerEvent{Kind: RunnerUnsent, Jobs: []*RunnerJob{b, c, d}})

	// It is a master's fault, not that of having none.
	at, _ := g.r.NextDeadline()
	require.Equal(t, g.now+blockedPause, at)
	g.on(RunnerEvent{Kind: RunnerCancel, Job: c}, RunnerAnswer)
	g.answered(verdict{Outcome: protocol.OutcomeCancelled}, c)
	g.now += time.Second
	g.step(RunnerEvent{Kind: RunnerTick})
	g.answered(tooLateWait, b, d)
	g.answered(tooLateRun, a)
}

func TestRunnerDrainingMasterKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	g := newRunnerRig(t, RunnerConfig{Masters: 2})
	g.connect()
	g.up(0)
	a := g.sent(0)
	slow := g.sent(0, func(j *RunnerJob) { j.Deadline += time.Hour })
	out := g.on(RunnerEvent{Kind: RunnerDrain}, RunnerDown)
	require.Equal(t, RunnerDraining, out[0].Reason)
	require.Equal(t, -1, g.r.Target())
	require.Equal(t, 0, g.r.Live())
	g.on(RunnerEvent{Kind: RunnerDrain})
	b := g.submit()
	g.nothingNext()
	g.up(1)
	require.Equal(t, 1, g.r.Live())
	g.next(1, b)
	g.result(a, protocol.OutcomeOK, true, RunnerAnswer)
	g.answered(verdict{MayHaveRun: true}, a)
	g.pass(beat, RunnerAnswer, RunnerSendPing, RunnerSendPing)
	// It comes back as a new one.
	g.on(RunnerEvent{Kind: RunnerGone, Registration: 1}, RunnerDown, RunnerAnswer, RunnerDisconnect, RunnerConnect)
	g.answered(lostMaybe, slow)
	g.up(0)
	require.Equal(t, 0, g.r.Target())
}

func TestRunnerLeavesADrainingMasterThatOwesNothing(t *testing.T) {
	t.Parallel()
	g := newRunnerRig(t, RunnerConfig{})
	g.connect()
	g.up(0)
	j := g.sent(0)
	g.on(RunnerEvent{Kind: RunnerDrain}, RunnerDown)
	g.pass(byePause, nil...)
	g.result(j, protocol.OutcomeOK, true, RunnerAnswer)
	at, _ := g.r.NextDeadline()
	require.Equal(t, g.now+byePause, at)
	g.pass(byePause, RunnerSendBye)
	require.Equal(t, -1, g.r.Live())
	g.on(RunnerEvent{Kind: RunnerPing})
	g.on(RunnerEvent{Kind: RunnerGone, Registration: 1})
	g.up(0) // the next one
	g.on(RunnerEvent{Kind: RunnerDrain}, RunnerDown)
	g.pass(byePause, RunnerSendBye)
	g.pass(protocol.HandshakeTimeout, RunnerDown, RunnerDisconnect, RunnerConnect)
}
