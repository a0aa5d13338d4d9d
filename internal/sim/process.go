// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"time"
)

// A program is what runs in a process. It owns nothing but what belongs to one
// goroutine: it is called in rounds.
type program interface {
	// round does what there is to do, and returns when the next is due although
	// nothing happens, on the process' clock.
	round() (next time.Duration)
	// ended is called once, when the process is gone.
	ended()
}

// process is one run of a program. It can be stopped and killed between rounds.
type process struct {
	w     *world
	name  string
	host  int
	pid   int
	rng   random
	clock clock
	lag   time.Duration // how long it takes to get the processor, mostly
	body  program

	due   time.Duration // of its next round, never if there is none
	spent time.Duration // what the latest one took so far
	busy  time.Duration // until when it takes

	dead    bool
	paused  bool
	since   time.Duration // of the pause
	until   time.Duration // when it is to go on
	resumed time.Duration // when it went on last
	latest  time.Duration // how long that pause was, with others shortly before it
	stopped time.Duration // how long it was paused before
	pauses  uint32

	conns   []*conn // those of its sockets
	dealers []*dealer
	routers []*router
	watches []*watch // of others, over it
}

func (w *world) start(name string, host int, drift, lag time.Duration, body program) *process {
	w.pids++
	p := &process{
		w: w, name: name, host: host, pid: w.pids, rng: stream(w.script.Seed, name), due: never,
		clock: clock{w.now, drift}, lag: lag, body: body,
	}
	return p
}

// now is the time on its own clock.
func (p *process) now() time.Duration { return p.clock.local(p.w.now + p.spent) }

// begun is when the round began.
func (p *process) begun() time.Duration { return p.clock.local(p.w.now) }

// look is a look at the clock during a round, which takes time: a little, or a
// lot if the process is stopped just then.
func (p *process) look() time.Duration {
	if p.w.script.Spend > 0 {
		p.spent += p.rng.between(0, p.w.script.Spend)
		if p.w.script.Kind == Chaos && !p.w.closing && p.rng.oneIn(20_000) {
			p.spent += p.rng.between(0, 300*time.Millisecond)
		}
	}
	return p.now()
}

// latency is how long it takes until the process runs.
func (p *process) latency() time.Duration {
	switch d := p.lag/4 + p.rng.about(p.lag); {
	case p.rng.oneIn(2000):
		return d + p.rng.between(0, 5*time.Millisecond) // the machine had something else to do
	default:
		return d
	}
}

// kick has a round soon.
func (p *process) kick() { p.schedule(max(p.w.now+p.latency(), p.busy)) }

func (p *process) schedule(at time.Duration) {
	if at < p.due && !p.dead {
		p.due = at
		p.w.queue.push(at, p, 0)
	}
}

func (p *process) happen(uint32) {
	if p.due != p.w.now || p.dead {
		p.w.ignored()
		return
	}
	p.due = never
	if p.paused {
		return // it is kicked when it goes on
	}
	next := p.body.round()
	p.busy = p.w.now + p.spent + p.lag/2
	p.spent = 0
	if p.due != never { // there is more to do, but not before this is done
		p.due = never
		p.schedule(p.busy)
	}
	if p.dead || next == never {
		return
	}
	if at := p.clock.global(next); at != never {
		p.schedule(max(at+p.latency(), p.busy))
	}
}

// pause is SIGSTOP for some time. What it has sent may have left or not.
func (p *process) pause(d time.Duration) {
	if p.dead || p.paused {
		return
	}
	p.w.note(nil, p.name, "stops")
	p.paused, p.since, p.until = true, p.w.now, p.w.now+d
	p.pauses++
	for _, c := range p.conns {
		c.sideOf(p).out.stick()
		c.expect(1 - c.sideOf(p).index)
	}
}

// resume is SIGCONT.
func (p *process) resume() {
	if p.dead || !p.paused {
		return
	}
	p.w.note(nil, p.name, "goes on")
	stood := p.w.now - p.since
	p.stopped += stood
	if p.since-p.resumed <= p.delay() {
		stood += p.latest // it had hardly gone on before
	}
	p.paused, p.resumed, p.latest = false, p.w.now, stood
	for _, c := range p.conns {
		s := c.sideOf(p)
		s.out.unstick()
		s.in.schedule()
		c.expect(s.index)
	}
	for _, d := range p.dealers {
		d.retry(0)
	}
	p.kick()
}

// standstill is how long it was paused so far.
func (p *process) standstill() time.Duration {
	if p.paused {
		return p.stopped + p.w.now - p.since
	}
	return p.stopped
}

// exit ends it: by kill -9, or by itself, when what it sent before is delivered.
func (p *process) exit(delivers bool) {
	if p.dead {
		return
	}
	p.w.note(nil, p.name, "ends")
	p.dead = true
	for len(p.conns) > 0 {
		c := p.conns[len(p.conns)-1]
		c.close(c.sideOf(p).index, delivers)
	}
	for _, d := range p.dealers {
		d.trying = false
	}
	for _, r := range p.routers {
		r.unbind()
	}
	for _, watch := range p.watches {
		p.w.after(p.rng.between(20*time.Microsecond, 800*time.Microsecond), watch, 0)
	}
	p.body.ended()
}

// patience is how much later than due an undisturbed process may act: it did not
// get the processor, or was stopped.
func (p *process) patience() time.Duration {
	d := p.delay()
	if p.w.now-p.resumed <= d {
		return d + p.latest + p.latest/32 // its clock may run fast
	}
	return d
}

// delay is how long it may take a process that is not stopped.
func (p *process) delay() time.Duration {
	return 7*time.Millisecond + 20*p.lag + 300*time.Millisecond*p.w.script.Spend/max(p.w.script.Spend, 1)
}

func (p *process) forgetConn(c *conn) {
	for i, x := range p.conns {
		if x == c {
			last := len(p.conns) - 1
			p.conns[i] = p.conns[last]
			p.conns[last] = nil
			p.conns = p.conns[:last]
			return
		}
	}
}

// watch is what a pidfd is.
type watch struct {
	over *process
	by   *process
	gone func()
	off  bool
}

func (v *watch) Cancel() bool {
	won := !v.off
	v.off = true
	return won
}

func (v *watch) happen(uint32) {
	if v.off || v.by.dead {
		return
	}
	if v.by.paused {
		v.over.w.at(v.by.until+20*time.Microsecond, v, 0)
		v.over.w.ignored()
		return
	}
	v.off = true
	v.gone()
}
