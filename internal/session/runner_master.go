// SPDX-License-Identifier: Apache-2.0

package session

import (
	"time"

	"github.com/powerhose/powerhose/protocol"
)

const (
	// After a master was lost it is tried again at once, then after
	// firstBackoff, twice that, and so on up to mostBackoff; from the start
	// again after it was up for settled. One that refuses us is left alone for
	// mostBackoff each time.
	firstBackoff = 20 * time.Millisecond
	mostBackoff  = 2 * time.Second
	settled      = time.Second

	// byePause is how long a draining master that owes nothing is kept, for a
	// question about its state.
	byePause = 50 * time.Millisecond
)

type runnerMasterState uint8

const (
	runnerDown        runnerMasterState = iota // disconnected until at
	runnerConnecting                           // waits for a probe; at is the watchdog
	runnerRegistering                          // waits for WELCOME; at is the watchdog
	runnerUp                                   // at is the next PING
	runnerDraining                             // up, but gets no new jobs
)

type runnerMaster struct {
	index        int
	state        runnerMasterState
	at           time.Duration // see the states
	registration uint64        // counts WELCOMEs
	failures     int           // in a row
	told         RunnerReason  // last RunnerDown since it was up, 0 if none

	// The rest has meaning only while up or draining.
	welcome protocol.Welcome
	upSince time.Duration
	heard   time.Duration // when it last sent something
	silence time.Duration // for so long it may say nothing
	missed  int           // PINGs since it was heard
	byeAt   time.Duration // while draining, if it owes nothing: when to leave
	sent    runnerList
	owed    int // jobs sent that it has not answered, abandoned ones included
	blocked bool
	retryAt time.Duration // while blocked
}

func (m *runnerMaster) registered() bool {
	return m.state == runnerUp || m.state == runnerDraining
}

// due is when tickMaster has something to do.
func (m *runnerMaster) due() time.Duration {
	if !m.registered() {
		return m.at
	}
	at := min(m.at, m.heard+m.silence)
	if m.blocked {
		at = min(at, m.retryAt)
	}
	if m.idleDraining() {
		at = min(at, m.byeAt)
	}
	return at
}

func (m *runnerMaster) idleDraining() bool {
	return m.state == runnerDraining && m.sent.n == 0
}

func (r *Runner) tickMaster(m *runnerMaster) {
	switch {
	case m.registered():
		r.tickRegistered(m)
	case r.now < m.at:
	case m.state == runnerDown:
		r.connect(m)
	case m.state == runnerConnecting:
		// Nobody is there to be spared, and a fresh connect revives a socket
		// that gave up after a protocol error.
		r.lose(m, RunnerUnanswered, protocol.PeerError{})
		r.reconnect(m, 0)
	default: // registering
		r.lose(m, RunnerUnanswered, protocol.PeerError{})
		r.reconnect(m, m.backoff())
	}
}

func (r *Runner) tickRegistered(m *runnerMaster) {
	if m.blocked && r.now >= m.retryAt {
		m.blocked = false
	}
	if r.now >= m.heard+m.silence {
		// A process that was stopped for a while does not blame its master:
		// silence counts if PINGs were sent meanwhile.
		if m.missed >= m.welcome.Liveness-1 {
			r.lose(m, RunnerSilent, protocol.PeerError{})
			r.reconnect(m, m.backoff())
			return
		}
		m.heard = r.now + m.welcome.Heartbeat - m.silence
	}
	if r.now >= m.at {
		m.missed++
		m.at = r.now + m.welcome.Heartbeat
		r.emit(RunnerAction{Kind: RunnerSendPing, Master: m.index})
	}
	if m.idleDraining() && r.now >= m.byeAt {
		// It waits for this before it ends. From here on it is as good as not
		// there; its successor has another connection, or is found as anybody.
		r.emit(RunnerAction{Kind: RunnerSendBye, Master: m.index})
		m.state, m.at = runnerConnecting, r.now+protocol.HandshakeTimeout
	}
}

func (r *Runner) stepMaster(m *runnerMaster, ev *RunnerEvent) {
	switch ev.Kind {
	case RunnerUnsent:
		r.onUnsent(m, ev.Jobs)
	case RunnerWritable:
		m.blocked = false
	case RunnerBroken:
		r.lose(m, RunnerSocketBroken, protocol.PeerError{})
		m.at = r.now + m.backoff()
	case RunnerGone:
		if m.registered() && ev.Registration == m.registration {
			r.lose(m, RunnerProcessGone, protocol.PeerError{})
			r.reconnect(m, m.backoff())
		}
	default:
		r.fromMaster(m, ev)
	}
}

// fromMaster handles a message of the master.
func (r *Runner) fromMaster(m *runnerMaster, ev *RunnerEvent) {
	if m.state == runnerDown {
		return // from before the disconnect
	}
	m.heard, m.missed = r.now, 0
	switch ev.Kind {
	case RunnerProbe:
		r.onProbe(m)
	case RunnerWelcome:
		r.onWelcome(m, ev.Welcome)
	case RunnerError:
		r.onError(m, ev.Err)
	case RunnerPing:
		if m.registered() { // else it would be answered with an ERROR
			r.emit(RunnerAction{Kind: RunnerSendPong, Master: m.index})
		}
	case RunnerDrain:
		r.drain(m)
	case RunnerResult:
		r.onResult(m, ev)
	default: // RunnerHeard
	}
}

// onProbe registers on a new connection. What was sent on the one before it
// will not be answered: the master knows connections, not processes.
func (r *Runner) onProbe(m *runnerMaster) {
	if m.registered() {
		r.lose(m, RunnerDisconnected, protocol.PeerError{})
	}
	m.state, m.at = runnerRegistering, r.now+protocol.HandshakeTimeout
	r.emit(RunnerAction{Kind: RunnerSendRegister, Master: m.index})
}

func (r *Runner) onWelcome(m *runnerMaster, w *protocol.Welcome) {
	if m.state != runnerRegistering {
		r.stats.Unexpected++
		return
	}
	m.state, m.welcome = runnerUp, *w
	m.registration++
	m.upSince, m.at, m.silence = r.now, r.now+w.Heartbeat, time.Duration(w.Liveness)*w.Heartbeat
	m.owed, m.blocked, m.told = 0, false, 0
	r.stats.Registrations++
	r.emit(RunnerAction{Kind: RunnerUp, Master: m.index, Registration: m.registration, Welcome: &m.welcome})
	r.retarget()
}

func (r *Runner) onError(m *runnerMaster, err protocol.PeerError) {
	switch err.Code {
	case protocol.CodeUnregistered:
		if m.state == runnerRegistering {
			return // about what was sent before REGISTER; one for each
		}
		if m.registered() {
			r.lose(m, RunnerForgotten, protocol.PeerError{})
		}
		r.onProbe(m)
	case protocol.CodeUnknownCommand, protocol.CodeTooLarge:
		// It is about one message and does not say which: if it was a job, its
		// deadline ends it.
		r.stats.Errors++
	default:
		r.lose(m, RunnerRefused, err)
		r.reconnect(m, mostBackoff)
	}
}

func (r *Runner) drain(m *runnerMaster) {
	if m.state != runnerUp {
		return
	}
	m.state, m.byeAt = runnerDraining, r.now+byePause
	r.report(m, RunnerDraining, protocol.PeerError{})
	r.retarget()
}

func (r *Runner) onResult(m *runnerMaster, ev *RunnerEvent) {
	m.owed = max(m.owed-1, 0)
	m.byeAt = r.now + byePause
	j := r.slots.find(ev.ID)
	if j == nil || j.list != &m.sent {
		r.stats.Late++
		return
	}
	outcome := ev.Outcome
	if outcome == protocol.OutcomeClosed && !ev.MayHaveRun {
		r.drain(m) // or the job would go there again
		if j.state == runnerJobSent {
			j.moved = true
			r.stats.Moved++
			r.wait(j)
			return
		}
		outcome = protocol.OutcomeCancelled
	}
	j.RetryAfter, j.Payload = ev.RetryAfter, ev.Payload
	r.answer(j, outcome, ev.MayHaveRun)
}

// onUnsent takes back what was not sent, and judges why: a pipe is full only
// after many messages, so with few of them there is no connection any more. Its
// answers will not come then either.
func (r *Runner) onUnsent(m *runnerMaster, jobs []*RunnerJob) {
	for i := len(jobs) - 1; i >= 0; i-- {
		j := jobs[i]
		if j.list != &m.sent {
			continue // answered or lost meanwhile
		}
		m.owed--
		if j.state == runnerJobCancelling {
			r.answer(j, protocol.OutcomeCancelled, false)
			continue
		}
		m.sent.remove(j)
		j.state = runnerJobWaiting
		r.again.pushFront(j)
		r.timers.arm(j, j.sendBy())
	}
	switch {
	case m.state == runnerRegistering:
		m.state = runnerConnecting
	case !m.registered():
	case m.owed < r.cfg.FullAfter:
		r.lose(m, RunnerDisconnected, protocol.PeerError{})
		r.reconnect(m, m.backoff())
	default:
		m.blocked, m.retryAt = true, r.now+blockedPause
	}
}

// lose ends a registration or the attempt at one, and settles its jobs. The
// caller says what comes next.
func (r *Runner) lose(m *runnerMaster, reason RunnerReason, err protocol.PeerError) {
	if m.registered() && r.now-m.upSince >= settled {
		m.failures = 0
	}
	m.state, m.blocked, m.owed = runnerDown, false, 0
	r.retarget()
	r.report(m, reason, err)
	for j := m.sent.first; j != nil; j = m.sent.first {
		switch {
		case j.state == runnerJobCancelling:
			r.answer(j, protocol.OutcomeCancelled, true)
		case j.Retries == 0:
			r.masterLost(j, true)
		default:
			j.Retries--
			j.ran, j.moved = true, false
			j.startBy = j.Deadline
			r.stats.Retried++
			r.wait(j)
		}
	}
}

// report tells why a master takes no jobs, once for each reason until it does.
func (r *Runner) report(m *runnerMaster, reason RunnerReason, err protocol.PeerError) {
	if m.told == reason {
		return
	}
	m.told = reason
	r.emit(RunnerAction{Kind: RunnerDown, Master: m.index, Reason: reason, Err: err})
}

// backoff is how long to leave a master alone after one more failure.
func (m *runnerMaster) backoff() time.Duration {
	m.failures++
	if m.failures == 1 {
		return 0
	}
	return min(firstBackoff<<min(m.failures-2, 10), mostBackoff)
}

// reconnect disconnects, and connects again after a delay.
func (r *Runner) reconnect(m *runnerMaster, delay time.Duration) {
	m.state, m.at = runnerDown, r.now+delay
	r.emit(RunnerAction{Kind: RunnerDisconnect, Master: m.index})
	if delay == 0 {
		r.connect(m)
	}
}

func (r *Runner) connect(m *runnerMaster) {
	m.state, m.at = runnerConnecting, r.now+protocol.HandshakeTimeout
	r.emit(RunnerAction{Kind: RunnerConnect, Master: m.index})
}
