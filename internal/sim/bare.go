// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"time"

	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// bare is the worker of docs/protocol.md, section 20: it computes in its only
// thread, and hears and says nothing meanwhile.
type bare struct {
	w      *world
	place  *place
	p      *process
	dealer *dealer
	msg    zmqnet.Message

	leaving, asked, ready, draining bool
	heard, tried, pinged            time.Duration
	beat, silence, patience         time.Duration

	run *bareRun // nil unless it computes
}

// bareRun is one call of a handler.
type bareRun struct {
	b     *bare
	sub   *submission
	ref   protocol.JobRef
	call  int
	began time.Duration
	still time.Duration
	over  bool
}

const (
	barePoll = 200 * time.Millisecond
	// bareMost: one that hangs is nobody's to cure but its supervisor's, which knows nothing of it.
	bareMost = 2 * time.Second
)

func (w *world) startBare(pl *place) *process {
	b := &bare{w: w, place: pl, beat: time.Second, silence: 3 * time.Second, patience: protocol.Patience}
	b.p = w.start(pl.name(), pl.host, pl.drift, pl.lag, b)
	b.dealer = b.p.newDealer(backend(pl.worker.Master), max(w.script.HWM, 1000), w.script.Beats)
	b.dealer.connect()
	b.p.kick()
	return b.p
}

func (b *bare) ended() { b.place.died() }

// drain is SIGTERM.
func (b *bare) drain(time.Duration) {
	b.leaving = true
	b.p.kick()
}

func (b *bare) send(cmd protocol.Command, fields func([]byte) []byte) {
	frame := append([]byte("PHZ\x01W"), byte(cmd))
	if fields != nil {
		frame = fields(frame)
	}
	_ = b.dealer.Send1(frame) // a lost connection is found by silence
}

func (b *bare) round() time.Duration {
	if b.run != nil && !b.run.over {
		return never
	}
	if b.run != nil {
		b.result()
	}
	for !b.p.dead {
		now := b.p.look()
		if b.timers(now) {
			return never
		}
		if b.dealer.Recv(&b.msg, nil) != nil {
			return now + min(b.beat, barePoll)
		}
		if b.receive() {
			return never
		}
	}
	return never
}

// timers is what comes before each poll. It reports whether the process has ended.
func (b *bare) timers(now time.Duration) (over bool) {
	if now-b.heard > b.patience {
		b.p.exit(false)
		return true
	}
	if now-max(b.heard, b.tried) > b.silence || b.asked && now-b.tried > protocol.HandshakeTimeout {
		b.ready, b.asked, b.tried = false, false, now
		b.dealer.disconnect()
		b.dealer.connect()
	}
	if b.ready && now-b.pinged >= b.beat {
		b.pinged = now
		b.send(protocol.CommandPing, nil)
	}
	if b.leaving && !b.draining && !b.asked {
		if !b.ready {
			b.p.exit(true)
			return true
		}
		b.draining = true
		b.send(protocol.CommandDrain, nil)
	}
	return false
}

// receive handles a message. It reports whether nothing else can be done now.
func (b *bare) receive() (over bool) {
	m := &b.msg
	head, fields, err := protocol.ParseHeader(m.Frames[0])
	if err != nil && !m.IsProbe() {
		b.w.fail(nil, "%s gets a malformed message: %x", b.p.name, m.Frames[0])
	}
	var code protocol.ErrorCode
	if head.Command == protocol.CommandError {
		e, err := protocol.ParsePeerError(fields)
		if err != nil {
			b.w.fail(nil, "%s gets a malformed ERROR", b.p.name)
		}
		code = e.Code
	}
	switch {
	case m.IsProbe(), code == protocol.CodeUnregistered && !b.asked:
		if b.leaving {
			b.p.exit(true)
			return true
		}
		b.ready, b.asked, b.tried = false, true, b.p.now()
		b.register()
	case head.Command == protocol.CommandWelcome && b.asked:
		w, err := protocol.ParseWelcome(fields)
		if err != nil {
			b.w.fail(nil, "%s gets a malformed WELCOME", b.p.name)
		}
		b.beat, b.silence = w.Heartbeat, w.Heartbeat*time.Duration(w.Liveness)
		b.patience = max(protocol.Patience, b.silence+2*b.beat)
		b.ready, b.asked = true, false
		b.w.note(nil, b.p.name, "registered")
	case head.Command == protocol.CommandPing && b.ready:
		b.send(protocol.CommandPong, nil)
	case head.Command == protocol.CommandJob && b.ready:
		return b.job(fields)
	case head.Command == protocol.CommandBye:
		if b.draining {
			b.p.exit(true)
			return true
		}
		b.ready = false
	case code != 0 && code != protocol.CodeUnregistered:
		b.p.exit(false)
		return true
	}
	b.heard = b.p.now()
	return false
}

func (b *bare) register() {
	reg := protocol.Registration{
		Identity: fmt.Sprintf("%s.%d", b.p.name, b.place.starts), Services: b.place.worker.Services, PID: b.p.pid,
	}
	frame, err := protocol.AppendRegister(nil, protocol.RoleWorker, reg)
	if err != nil {
		b.w.fail(nil, "%s: %v", b.p.name, err)
	}
	_ = b.dealer.Send1(frame)
}

// job calls the handler, unless it is too late.
func (b *bare) job(fields []byte) bool {
	m, err := protocol.ParseWorkerJob(fields)
	if err != nil {
		b.w.fail(nil, "%s gets a malformed JOB", b.p.name)
	}
	ref := protocol.JobRef{ID: m.ID, Attempt: m.Attempt}
	b.heard = b.p.now()
	if m.TimeLeft == 0 {
		_ = b.dealer.Send1(ref.Append(nil, protocol.CommandReturn))
		return false
	}
	s := b.w.submissionOf(m.Headers)
	s.claimed = true
	r := &bareRun{b: b, sub: s, ref: ref, began: b.w.now, still: b.p.standstill()}
	r.call = b.w.begin(s, b.p.name)
	b.run = r
	b.w.after(min(s.job.run, bareMost), r, 0)
	return true
}

func (r *bareRun) happen(uint32) {
	w := r.b.w
	if r.b.p.dead || r.over {
		w.ignored()
		return
	}
	if r.b.p.paused {
		w.ignored()
		w.at(r.b.p.until+20*time.Microsecond, r, 0)
		return
	}
	if still := r.b.p.standstill(); still > r.still {
		w.after(still-r.still, r, 0)
		r.still = still
		w.ignored()
		return
	}
	r.over = true
	w.end(r.sub.job, r.call, r.b.p.name)
	r.b.p.kick()
}

// result answers the job that has been computed. Computing is not silence.
func (b *bare) result() {
	r := b.run
	b.run = nil
	res := protocol.WorkerResult{ID: r.ref.ID, Attempt: r.ref.Attempt, Run: b.w.now - r.began + 1}
	if r.sub.job.fails {
		res.Status = protocol.StatusError
	}
	_ = b.dealer.Send2(res.Append(nil), b.w.result(r.sub.job, r.call))
	b.heard = b.p.now()
}
