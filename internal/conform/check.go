// SPDX-License-Identifier: Apache-2.0

package conform

import (
	"fmt"
	"slices"
	"time"

	"github.com/powerhose/powerhose/protocol"
)

// group is checks that are made one after the other, with one rig.
type group struct {
	checks []check
	// grant is what its master's WELCOME says.
	grant func(t *traits) master
	// must: it is made even if nobody wants its rules.
	must bool
	// alone: no master listens when the program starts.
	alone bool
	// listen: the program is told to use a socket of its own.
	listen bool
}

// check is about one rule. run returns the evidence for that it holds, or leaves
// by broken or skip.
type check struct {
	rule Rule
	name string
	run  func(r *rig) string
	// costly: it takes a second, or a process for itself.
	costly bool
	// once: it is not tried again when it fails.
	once bool
}

// stop ends a check from within. A panic, because a check is a story of many
// steps, of which each can end it; it is recovered in try, and in setUp, which weakens it.
type stop struct {
	verdict  Verdict
	evidence string
}

// broken ends the check: the rule is broken.
func (r *rig) broken(format string, args ...any) {
	panic(stop{Broken, fmt.Sprintf(format, args...)})
}

// skip ends the check: it cannot tell.
func (r *rig) skip(format string, args ...any) {
	panic(stop{NotApplicable, fmt.Sprintf(format, args...)})
}

// setUp does what a check needs before its own subject. What goes wrong there is
// the subject of another check.
func (r *rig) setUp(f func()) {
	defer func() {
		p := recover()
		if s, ok := p.(stop); ok && s.verdict == Broken {
			p = stop{NotApplicable, "not reached: " + s.evidence}
		}
		if p != nil {
			panic(p)
		}
	}()
	f()
}

// slack is by what all times are multiplied at the second try.
const slack = 4

// check makes one check. One that fails is tried again with a fresh process and
// with more time for everything: on a busy machine anybody may be late, the kit
// included.
func (r *rig) check(c check) Finding {
	f := r.try(c)
	if f.Verdict != Broken || c.once || r.ctx.Err() != nil {
		return f
	}
	r.slack = slack
	again := r.try(c)
	r.slack = 1
	if again.Verdict == Holds {
		again.Evidence += " (at the second try; at the first: " + f.Evidence + ")"
		return again
	}
	return f
}

func (r *rig) try(c check) (f Finding) {
	f = Finding{Rule: c.rule, Name: c.name}
	defer func() {
		switch p := recover().(type) {
		case nil:
		case stop:
			f.Verdict, f.Evidence = p.verdict, p.evidence
		case trouble:
			r.fail(p.error)
		default:
			panic(p)
		}
		if f.Verdict == Broken {
			r.kill() // the next one begins with a fresh process
		}
	}()
	r.master = r.group.grant(&r.traits)
	f.Evidence = c.run(r)
	f.Verdict = Holds
	return f
}

// traits are what the first group finds out about the worker.
type traits struct {
	registered bool
	reg        protocol.Registration
	// responsive: it reads its socket while a handler runs.
	responsive bool
	// pings, pongs: it sends PING, and answers it.
	pings, pongs bool
	// cancels: its sleep ends early when it is cancelled.
	cancels bool
}

func (t *traits) offers(service string) bool { return slices.Contains(t.reg.Services, service) }

func (r *rig) offers(service string) bool { return r.traits.offers(service) }

// needService returns the name of a service, if it is offered.
func (r *rig) needService(name string) string {
	if !r.offers(name) {
		r.skip("it does not offer the service %q", name)
	}
	return name
}

func (r *rig) needResponsive() {
	r.needService(r.cfg.Services.Sleep) // it was tried with that
	if !r.traits.responsive {
		r.skip("it reads nothing while a handler runs")
	}
}

// needPings: it is to be seen by its PINGs what the worker makes of something.
func (r *rig) needPings() {
	if !r.traits.pings {
		r.skip("it sends no PING")
	}
}

// needPrefetch returns how many jobs it takes beyond its capacity.
func (r *rig) needPrefetch() int {
	if r.traits.reg.Prefetch == 0 {
		r.skip("it offers no prefetch")
	}
	return min(r.traits.reg.Prefetch, mostPrefetch)
}

// mostPlaces bounds how many jobs are given out to fill a worker, mostPrefetch
// how many beyond that.
const (
	mostPlaces   = 64
	mostPrefetch = 8
)

func (r *rig) needPlaces() int {
	if r.traits.reg.Capacity > mostPlaces {
		r.skip("its capacity is %d: more than %d are not tried", r.traits.reg.Capacity, mostPlaces)
	}
	return r.traits.reg.Capacity
}

// fill gives as many jobs as may run at once.
func (r *rig) fill(d time.Duration) []*job {
	jobs := make([]*job, 0, r.needPlaces())
	for range cap(jobs) {
		jobs = append(jobs, r.giveSleep(d))
	}
	return jobs
}

// underWay lets a job that was given out start.
func (r *rig) underWay() {
	if r.traits.responsive { // so it answers PING
		before := r.count(is(protocol.CommandPong))
		r.sayPing()
		r.wait(r.timeout(), func() bool { return r.count(is(protocol.CommandPong)) > before })
	}
	r.pause(r.long(startTime))
}

// long is d, or more at the second try.
func (r *rig) long(d time.Duration) time.Duration { return d * r.slack }

// timeout is how long the worker may take for what it must do at once. It is never
// so long that the worker does the same for another reason, such as silence.
func (r *rig) timeout() time.Duration {
	return max(r.cfg.Timeout, min(r.long(r.cfg.Timeout), longestTimeout))
}

const longestTimeout = 10 * time.Second

// startTime is within which a job starts that may start.
const startTime = 100 * time.Millisecond

// exits waits for the end of the process and returns its exit status. A signal
// breaks the rule, and so does going on.
func (r *rig) exits(limit time.Duration) int {
	if !r.wait(limit, r.prog.exited) {
		r.broken("expected it to end within %v, but it goes on, sending %s", limit, r.heard())
	}
	code := r.prog.code()
	if code < 0 {
		r.broken("expected an exit status, but it ended by %s", r.prog.how())
	}
	return code
}

// fails waits for the end of the process, which must be an unhappy one.
func (r *rig) fails(limit time.Duration) string {
	code := r.exits(limit)
	if code == 0 {
		r.broken("expected an exit status other than 0, got 0")
	}
	return fmt.Sprintf("exit status %d", code)
}

// leaves waits for the end of the process, which must be a happy one.
func (r *rig) leaves() {
	if code := r.exits(r.timeout()); code != 0 {
		r.broken("expected exit status 0, got %d: %s", code, r.prog.how())
	}
}

// since is how long ago something was, in whole milliseconds.
func since(t time.Time) time.Duration { return time.Since(t).Round(time.Millisecond) }
