// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"time"

	"github.com/powerhose/powerhose/internal/session"
	"github.com/powerhose/powerhose/internal/zmqnet"
	"github.com/powerhose/powerhose/protocol"
)

// What internal/client does too: how much goes into a batch, and how many
// messages of a master are read at a time.
const (
	runnerBatchPayload = 4096
	runnerBatchBytes   = 65536
	runnerReceives     = 256
)

// runner is a process with a session.Runner, and around it what internal/client
// does.
type runner struct {
	w       *world
	place   *place
	p       *process
	session *session.Runner
	links   []*runnerLink
	tasks   []runnerTask
	out     []session.RunnerAction
	busy    bool
	calls   []*runnerCall // not answered
	closed  bool
	target  int // the master that jobs are sent to, -1 for none

	batch struct {
		link  *runnerLink
		jobs  []*session.RunnerJob
		count int
		frame []byte
	}
	scratch []byte
}

// runnerLink is the way to one master.
type runnerLink struct {
	r            *runner
	index        int
	dealer       *dealer
	msg          zmqnet.Message
	batch        int
	registration uint64
	watch        *watch
}

// runnerCall is a job of a caller.
type runnerCall struct {
	session.RunnerJob
	job *job
}

type runnerTask struct {
	submit, cancel *runnerCall
	gone           *runnerLink
	registration   uint64
	close          bool
}

func (w *world) startRunner(pl *place) *process {
	r := &runner{w: w, place: pl, target: -1}
	r.p = w.start(pl.name(), pl.host, pl.drift, pl.lag, r)
	sc := w.script
	full := sc.HWM / 4
	r.session = session.NewRunner(session.RunnerConfig{
		Masters: sc.Masters, FullAfter: full, MaxUnsent: sc.Unsent,
	})
	for i := range sc.Masters {
		r.links = append(r.links, &runnerLink{
			r: r, index: i, dealer: r.p.newDealer(frontend(i), sc.HWM, sc.Beats),
		})
	}
	r.p.kick()
	return r.p
}

func (r *runner) ended() {
	r.calls = nil
	r.place.died()
}

func (r *runner) submit(j *job) {
	c := &runnerCall{RunnerJob: *session.NewRunnerJob(), job: j}
	c.Ref = c
	c.PayloadSize = int64(j.size)
	c.Size = c.PayloadSize + int64(len(j.service)) + 12
	c.Deadline, c.Wait, c.Retries = max(j.deadline, 0), j.wait, j.retries
	r.calls = append(r.calls, c)
	r.tasks = append(r.tasks, runnerTask{submit: c})
}

func (r *runner) cancel(j *job) {
	for _, c := range r.calls {
		if c.job == j {
			r.tasks = append(r.tasks, runnerTask{cancel: c})
		}
	}
}

// round is client.work.
func (r *runner) round() time.Duration {
	for {
		if at, ok := r.session.NextDeadline(); ok && at <= r.p.look() {
			r.step(&session.RunnerEvent{Kind: session.RunnerTick})
		}
		tasks := r.tasks
		r.tasks = nil
		for i := range tasks {
			r.apply(&tasks[i])
		}
		r.sendJobs()
		more := false
		for _, l := range r.links {
			r.step(&session.RunnerEvent{Kind: session.RunnerWritable, Master: l.index})
			more = r.receive(l) || more
		}
		r.sendJobs()
		if !more {
			break
		}
	}
	if t := r.session.Target(); t != r.target {
		if r.target = t; t >= 0 {
			r.w.saw(SightMoved)
		}
	}
	r.check()
	next, ok := r.session.NextDeadline()
	if !ok {
		return never
	}
	return next
}

// check: nobody waits beyond his deadline.
func (r *runner) check() {
	now := r.p.begun()
	for _, c := range r.calls {
		if now >= c.job.deadline && len(r.tasks) == 0 {
			r.w.fail(c.job, "its caller still waits, %v after the deadline", now-c.job.deadline)
		}
	}
	if r.session.Unanswered() != len(r.calls) && len(r.tasks) == 0 {
		r.w.fail(nil, "%s knows of %d jobs, there are %d", r.p.name, r.session.Unanswered(), len(r.calls))
	}
}

func (r *runner) apply(t *runnerTask) {
	switch {
	case t.submit != nil:
		r.step(&session.RunnerEvent{Kind: session.RunnerSubmit, Job: &t.submit.RunnerJob})
	case t.cancel != nil:
		if !t.cancel.job.answered {
			r.step(&session.RunnerEvent{Kind: session.RunnerCancel, Job: &t.cancel.RunnerJob})
		}
	case t.gone != nil:
		for l := t.gone; l.registration == t.registration && r.receive(l); {
		}
		r.step(&session.RunnerEvent{Kind: session.RunnerGone, Master: t.gone.index, Registration: t.registration})
	case t.close:
		r.closed = true
		r.step(&session.RunnerEvent{Kind: session.RunnerClose})
	}
}

// close is the end that the process chose. What it says on leaving is delivered.
func (r *runner) close() {
	r.tasks = append(r.tasks, runnerTask{close: true})
	r.round()
	if n := r.session.Unanswered(); n+len(r.calls)+len(r.tasks) > 0 {
		r.w.fail(nil, "%s is closed, and has %d jobs, %d callers and %d tasks", r.p.name, n, len(r.calls), len(r.tasks))
	}
	r.p.exit(true)
}

func (r *runner) step(ev *session.RunnerEvent) {
	r.out = r.session.Step(r.p.now(), ev, r.out)
	if r.busy {
		return
	}
	r.busy = true
	for i := 0; i < len(r.out); i++ {
		a := r.out[i]
		r.perform(&a)
	}
	r.busy, r.out = false, r.out[:0]
}

func (r *runner) perform(a *session.RunnerAction) {
	l := r.links[a.Master]
	switch a.Kind {
	case session.RunnerAnswer:
		r.answer(a.Job.Ref.(*runnerCall))
	case session.RunnerConnect:
		l.dealer.connect()
	case session.RunnerDisconnect:
		l.dealer.disconnect()
	case session.RunnerSendRegister:
		reg := protocol.Registration{
			Identity: fmt.Sprintf("%s.%d", r.p.name, r.place.starts), Batch: r.w.script.RunnerBatch, PID: r.p.pid,
		}
		frame, err := protocol.AppendRegister(nil, protocol.RoleRunner, reg)
		if err != nil {
			r.w.fail(nil, "%s: %v", r.p.name, err)
		}
		r.control(l, frame)
		if r.w.script.Kind == Chaos && r.p.rng.oneIn(12) {
			r.w.saw(SightRepeated)
			r.control(l, frame) // the first counts for nothing then
		}
	case session.RunnerSendPing:
		r.control(l, protocol.AppendPing(r.scratch[:0], protocol.RoleRunner))
	case session.RunnerSendPong:
		r.control(l, protocol.AppendPong(r.scratch[:0], protocol.RoleRunner))
	case session.RunnerSendBye:
		r.control(l, protocol.AppendBye(r.scratch[:0], protocol.RoleRunner))
	case session.RunnerSendCancel:
		r.control(l, protocol.AppendRunnerCancel(r.scratch[:0], a.ID))
	case session.RunnerUp:
		r.w.note(nil, r.p.name, "master%d is up", l.index)
		r.up(l, a)
	case session.RunnerDown:
		r.w.note(nil, r.p.name, "master%d is down: %v %v", l.index, a.Reason, a.Err)
		if a.Reason == session.RunnerRefused && r.w.script.Hub.MaxRunners == 0 {
			r.w.fail(nil, "%s is refused: %v", r.p.name, a.Err)
		}
	}
}

func (r *runner) up(l *runnerLink, a *session.RunnerAction) {
	l.batch, l.registration = a.Welcome.Batch, a.Registration
	if l.watch != nil {
		l.watch.off = true
		l.watch = nil
	}
	if !r.w.script.RunnersWatch {
		return
	}
	registration := a.Registration
	for _, pl := range r.w.places {
		if p := pl.p; pl.kind == masterPlace && pl.index == l.index && p.pid == a.Welcome.PID && p.host == r.p.host && !p.dead {
			l.watch = &watch{over: p, by: r.p, gone: func() {
				r.tasks = append(r.tasks, runnerTask{gone: l, registration: registration})
				r.p.kick()
			}}
			p.watches = append(p.watches, l.watch)
		}
	}
}

func (r *runner) answer(c *runnerCall) {
	for i, x := range r.calls {
		if x == c {
			r.calls = append(r.calls[:i], r.calls[i+1:]...)
			outcome := int(c.Outcome)
			if c.MasterLost {
				outcome = outcomeMasterLost
			}
			c.job.caller.answered(answer{outcome, c.MayHaveRun, c.Payload})
			return
		}
	}
	r.w.fail(c.job, "its caller gets a second answer")
}

// receive handles what has come from a master, and reports whether it stopped
// before the end.
func (r *runner) receive(l *runnerLink) (more bool) {
	for range runnerReceives {
		if l.dealer.Recv(&l.msg, nil) != nil {
			return false
		}
		r.fromMaster(l)
	}
	return true
}
