// SPDX-License-Identifier: Apache-2.0

package dispatch

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// config sets fields of Config. It must come first.
func (sc *scenario) config() {
	sc.core = New(Config{
		Heartbeat:       sc.span(sc.opt("heartbeat", "0")),
		Liveness:        int(sc.number(sc.opt("liveness", "0"))),
		Grace:           sc.span(sc.opt("grace", "0")),
		MaxWaiting:      int(sc.number(sc.opt("max-waiting", "0"))),
		MaxWaitingBytes: int64(sc.number(sc.opt("max-waiting-bytes", "0"))),
		PrefetchBudget:  sc.span(sc.opt("prefetch-budget", "1ms")),
		MaxKills:        int(sc.number(sc.opt("max-kills", "0"))),
	})
}

// runner ID [remote]: a runner connects; it is silent and local unless remote.
func (sc *scenario) runner() {
	sc.do(Event{Kind: EventRunnerUp, Runner: RunnerID(sc.id()), Local: !sc.flag("remote")})
}

// runner-beat ID
func (sc *scenario) runnerBeat() { sc.do(Event{Kind: EventRunnerBeat, Runner: RunnerID(sc.id())}) }

// runner-gone ID
func (sc *scenario) runnerGone() { sc.do(Event{Kind: EventRunnerDown, Runner: RunnerID(sc.id())}) }

// worker ID [services=A,B] [capacity=1] [prefetch=0]: a worker registers. The
// services may be a quoted string.
func (sc *scenario) worker() {
	ev := Event{Kind: EventWorkerUp, Worker: WorkerID(sc.id())}
	if names := sc.opt("services", ""); names != "" {
		if strings.HasPrefix(names, `"`) {
			var err error
			names, err = strconv.Unquote(names)
			require.NoError(sc.t, err, sc.line)
		}
		ev.Services = strings.Split(names, ",")
	}
	ev.Capacity = int(sc.number(sc.opt("capacity", "1")))
	ev.Prefetch = int(sc.number(sc.opt("prefetch", "0")))
	sc.do(ev)
}

// beat ID: a sign of life of a worker.
func (sc *scenario) beat() { sc.do(Event{Kind: EventWorkerBeat, Worker: WorkerID(sc.id())}) }

// worker-gone ID [started=N]
func (sc *scenario) workerGone() {
	ev := Event{Kind: EventWorkerDown, Worker: WorkerID(sc.id()), Started: StartedUnknown}
	if s := sc.opt("started", ""); s != "" {
		ev.Started = int64(sc.number(s))
	}
	sc.do(ev)
}

// worker-drains ID
func (sc *scenario) workerDrains() { sc.do(Event{Kind: EventWorkerDrain, Worker: WorkerID(sc.id())}) }

// submit TAG [runner=1] [service=NAME] [timeout=5s] [start-within=5s] [retries=0] [bytes=N]
//
// start-within is the whole timeout when it is not given.
func (sc *scenario) submit() {
	tag := sc.id()
	timeout := sc.opt("timeout", "5s")
	size := int(sc.number(sc.opt("bytes", "0")))
	payload := []byte(strconv.FormatUint(tag, 10))
	if pad := size - len(payload); pad > 0 {
		payload = append(payload, bytes.Repeat([]byte("."), pad)...)
	}
	sc.do(Event{
		Kind: EventSubmit, Runner: RunnerID(sc.number(sc.opt("runner", "1"))), Tag: tag, Ref: tag,
		Service: sc.opt("service", ""), Payload: payload,
		Deadline: sc.now.Add(sc.span(timeout)),
		StartBy:  sc.now.Add(sc.span(sc.opt("start-within", timeout))),
		Retries:  uint8(sc.number(sc.opt("retries", "0"))),
	})
}

// cancel TAG [runner=1]
func (sc *scenario) cancel() {
	tag := sc.id()
	sc.do(Event{Kind: EventCancel, Runner: RunnerID(sc.number(sc.opt("runner", "1"))), Tag: tag})
}

// answer names the job TAG as it was last assigned. attempt= forges.
func (sc *scenario) answer(kind EventKind) Event {
	w, tag := WorkerID(sc.id()), sc.id()
	a, ok := sc.last[tag]
	require.True(sc.t, ok, "%s: never assigned", sc.line)
	attempt := sc.number(sc.opt("attempt", fmt.Sprint(a.Attempt)))
	return Event{Kind: kind, Worker: w, Job: a.Job, Attempt: uint32(attempt)}
}

// result WORKER TAG [attempt=N] [run=10ms] [failed] [text=ANSWER]
func (sc *scenario) result() {
	ev := sc.answer(EventResult)
	ev.Run = sc.span(sc.opt("run", "0"))
	ev.Failed = sc.flag("failed")
	ev.Payload = []byte(sc.opt("text", ""))
	sc.do(ev)
}

// return WORKER TAG [attempt=N]
func (sc *scenario) returned() { sc.do(sc.answer(EventReturned)) }

// drain DURATION: the master drains.
func (sc *scenario) drain() {
	sc.do(Event{Kind: EventDrain, Deadline: sc.now.Add(sc.span(sc.word()))})
}

// wait DURATION: time passes, and the core is told whenever it wants to be.
func (sc *scenario) wait() {
	end := sc.now.Add(sc.span(sc.word()))
	for sc.core.NextDeadline() <= end {
		sc.now = max(sc.now, sc.core.NextDeadline())
		sc.show(time.Duration(sc.now).String()+" ", sc.step(Event{Kind: EventTick}))
		require.Greater(sc.t, sc.core.NextDeadline(), sc.now, "%s: a timer is due after a tick", sc.line)
	}
	sc.now = end
}

// measure WORKER run=DURATION [service=NAME] [n=8]: the worker, which must be
// the only idle one, runs jobs of a runner 999, one after the other. It takes
// no time and shows nothing, except in the estimates.
func (sc *scenario) measure() {
	w, service := WorkerID(sc.id()), sc.opt("service", "")
	n, run := sc.number(sc.opt("n", "8")), sc.span(sc.opt("run", ""))
	sc.step(Event{Kind: EventRunnerUp, Runner: 999, Local: true})
	for range n {
		out := sc.step(Event{
			Kind: EventSubmit, Runner: 999, Service: service, Deadline: Never, StartBy: Never, Payload: []byte("0"),
		})
		require.Len(sc.t, out, 1, sc.line)
		require.Equal(sc.t, ActionAssign, out[0].Kind, sc.line)
		require.Equal(sc.t, w, out[0].Worker, sc.line)
		sc.step(Event{Kind: EventResult, Worker: w, Job: out[0].Job, Attempt: out[0].Attempt, Run: run})
	}
	sc.step(Event{Kind: EventRunnerDown, Runner: 999})
}

// stats shows a snapshot.
func (sc *scenario) stats() {
	s := sc.core.Stats()
	line := fmt.Sprintf("waiting=%d bytes=%d running=%d abandoned=%d runners=%d", s.Waiting, s.WaitingBytes,
		s.Running, s.Abandoned, s.Runners)
	if s.Draining {
		line += " draining"
	}
	sc.shown = append(sc.shown, line)
	for _, w := range s.Workers {
		line := fmt.Sprintf("worker %d: running=%d done=%d failed=%d", w.Worker, w.Running, w.Done, w.Failed)
		if w.Draining {
			line += " draining"
		}
		sc.shown = append(sc.shown, line)
	}
	for _, v := range s.Services {
		sc.shown = append(sc.shown, fmt.Sprintf("service %q: workers=%d capacity=%d waiting=%d typical=%v",
			v.Name, v.Workers, v.Capacity, v.Waiting, v.TypicalRun))
	}
}

// counters shows what was counted so far, without what is still zero.
func (sc *scenario) counters() {
	n := sc.core.Stats().Counters
	for _, f := range []struct {
		name string
		n    uint64
	}{
		{"submitted", n.Submitted},
		{"assigned", n.Assigned},
		{"redispatched", n.Redispatched},
		{"retried", n.Retried},
		{"returned", n.Returned},
		{"late", n.Late},
		{"evicted", n.Evicted},
		{"workers lost", n.WorkersLost},
		{"workers seen", n.WorkersSeen},
		{"ignored", n.Ignored},
	} {
		if f.n > 0 {
			sc.shown = append(sc.shown, fmt.Sprintf("%s: %d", f.name, f.n))
		}
	}
	for o, count := range n.Outcomes {
		if count > 0 {
			sc.shown = append(sc.shown, fmt.Sprintf("outcome %v: %d", Outcome(o), count))
		}
	}
}
